/**
 * What `envelope` is called with for an operation, for those that it has a command for.
 *
 * @module
 */
import { quoted } from "./shell.ts";

type Input = Readonly<Record<string, unknown>>;

const key = ({ KeyId }: Input): string => quoted(String(KeyId));
const alias = ({ AliasName }: Input): string => quoted(String(AliasName));

export const envelopeCommands: Readonly<Record<string, (input: Input) => string>> = {
  CancelKeyDeletion: (input) => `keys cancel-deletion ${key(input)}`,
  CreateAccessKey: ({ UserName }) => `access-keys create user/${quoted(String(UserName))}`,
  CreateAlias: (input) => `keys alias set ${alias(input)} ${quoted(String(input["TargetKeyId"]))}`,
  DeleteAlias: (input) => `keys alias delete ${alias(input)}`,
  DescribeKey: (input) => `keys show ${key(input)}`,
  DisableKey: (input) => `keys disable ${key(input)}`,
  EnableKey: (input) => `keys enable ${key(input)}`,
  GetKeyLastUsage: () => "kms unused --days 90",
  ListAccessKeys: () => "access-keys list",
  ListKeys: () => "keys list",
  RotateKeyOnDemand: (input) => `keys rotate ${key(input)}`,
  ScheduleKeyDeletion: (input) =>
    `keys schedule-deletion --days ${String(input["PendingWindowInDays"])} ${key(input)}`,
  UpdateAlias: (input) => `keys alias set ${alias(input)} ${quoted(String(input["TargetKeyId"]))}`,
};

/**
 * A keystore with somebody in it: alice may use alias/app for tenant acme, eve is denied everything, the role
 * app has no policy.
 */
import { openKeystore, type Keystore, type OpenKeystoreOptions } from "@env/kms";
import { project } from "./command.ts";

export const ACCOUNT = "000000000000";
const IAM = `arn:aws:iam::${ACCOUNT}`;

type Options = Partial<OpenKeystoreOptions>;

export type Populated = Awaited<ReturnType<typeof populated>>;

export async function populated(): Promise<
  Awaited<ReturnType<typeof project>> & {
    /** Opens the keystore, for what the command has no words for. */
    readonly open: (options?: Options) => Promise<Keystore>;
  }
> {
  const env = await project();
  const open = (options: Options = {}): Promise<Keystore> =>
    openKeystore(env.path("dev.kms"), { root: { keyFile: env.path("dev.kms.key") }, ...options });
  using keystore = await open();
  await keystore.iam.put({
    arn: `${IAM}:user/alice`,
    policies: [
      {
        name: "use",
        text: policy({
          Sid: "UseApp",
          Effect: "Allow",
          Action: ["kms:Decrypt", "kms:GenerateDataKey"],
          Resource: "*",
          Condition: {
            "ForAnyValue:StringLike": { "kms:ResourceAliases": "alias/app" },
            StringEquals: {
              "kms:EncryptionContext:tenant": "acme",
              "kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
            },
          },
        }),
      },
    ],
  });
  const denied = policy({ Effect: "Deny", Action: "kms:*", Resource: "*" });
  await keystore.iam.put({ arn: `${IAM}:user/eve`, policies: [{ name: "no", text: denied }] });
  await keystore.iam.put({ arn: `${IAM}:role/app` });
  return { ...env, open };
}

export function policy(...Statement: readonly object[]): string {
  return JSON.stringify({ Version: "2012-10-17", Statement });
}

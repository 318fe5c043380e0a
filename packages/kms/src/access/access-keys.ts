/**
 * Access keys: what a program that calls over the network shows that it is a user, or the account's root.
 *
 * @module
 */
import { principalArn } from "../arn.ts";
import type { AccessKeyRecord } from "../store/iam-records.ts";
import type { Change, Directory } from "./directory.ts";

export interface AccessKey {
  /** `AKIA` and 16 characters. */
  readonly accessKeyId: string;
  /** ARN of the user, or of the account's root. */
  readonly owner: string;
  readonly created: Date;
  /** An inactive key is refused like one that does not exist. */
  readonly active: boolean;
}

/** An access key with its secret, which is shown once. */
export interface NewAccessKey extends AccessKey {
  /** 40 characters. */
  readonly secretAccessKey: string;
}

/** Access keys of a keystore. Every change is one transaction, and a record of the audit log without the secret. */
export class AccessKeys {
  readonly #directory: Directory;
  readonly #change: Change;

  /** Not for applications: they take `keystore.iam.accessKeys`. */
  constructor(directory: Directory, change: Change) {
    this.#directory = directory;
    this.#change = change;
  }

  /**
   * Makes an access key, at most two for each user. No one can read its secret again.
   *
   * @param owner - ARN of a user or of the account's root; in short `user/alice` or `root`.
   * @throws {@link KmsError} `NotFoundException`, `LimitExceededException`, `ValidationException` for a role or group.
   */
  create(owner: string): Promise<NewAccessKey> {
    return this.#change("CreateAccessKey", (directory) => {
      const record = directory.createAccessKey(this.#arn(owner));
      const { secret: secretAccessKey, ...facts } = record;
      return {
        result: { ...toAccessKey(record), secretAccessKey },
        facts: { PrincipalArn: facts.owner, AccessKeyId: facts.accessKeyId },
      };
    });
  }

  /**
   * Lists a principal's access keys, or those of the account's root and of all users.
   *
   * @throws {@link KmsError} `NotFoundException`, `ValidationException` for a role or group.
   */
  list(owner?: string): Promise<readonly AccessKey[]> {
    const directory = this.#directory;
    return directory.store.read(() => {
      const owners =
        owner === undefined
          ? [
              "root",
              ...directory.principalsWith(({ type }) => type === "user").map(({ arn }) => arn),
            ]
          : [owner];
      return owners.flatMap((one) => directory.accessKeysOf(this.#arn(one)).map(toAccessKey));
    });
  }

  /** Activates or deactivates an access key. @throws {@link KmsError} `NotFoundException` */
  setActive(accessKeyId: string, active: boolean): Promise<AccessKey> {
    return this.#change("UpdateAccessKey", (directory) => {
      const record = directory.setAccessKeyActive(accessKeyId, active);
      return {
        result: toAccessKey(record),
        facts: { ...factsOf(record), Status: statusOf(record) },
      };
    });
  }

  /** Deletes an access key. @throws {@link KmsError} `NotFoundException` */
  delete(accessKeyId: string): Promise<void> {
    return this.#change("DeleteAccessKey", (directory) => ({
      result: undefined,
      facts: factsOf(directory.deleteAccessKey(accessKeyId)),
    }));
  }

  #arn(owner: string): string {
    return principalArn(owner, this.#directory.realm);
  }
}

function factsOf({ owner, accessKeyId }: AccessKeyRecord): Readonly<Record<string, unknown>> {
  return { PrincipalArn: owner, AccessKeyId: accessKeyId };
}

/** AWS's words. */
function statusOf({ active }: Pick<AccessKeyRecord, "active">): "Active" | "Inactive" {
  return active ? "Active" : "Inactive";
}

function toAccessKey({ accessKeyId, owner, created, active }: AccessKeyRecord): AccessKey {
  return { accessKeyId, owner, created: new Date(created), active };
}

/**
 * A key in AWS KMS as a CMK.
 *
 * The context goes to KMS as its encryption context, which CloudTrail logs: it must not
 * contain a secret. Decrypt always names the key, and the answer must name it as well, so that a wrapped key of
 * another CMK the caller may also use is refused rather than opened. Entries are labelled with the ARN
 * that KMS answers, never with an alias: aliases move.
 *
 * Source: AWS KMS API reference
 *
 * @module
 */
import type { Awaitable } from "@env/core";
import {
  DATA_KEY_BYTES,
  hintIfDenied,
  Learnt,
  wipePlaintext,
  type CmkDriver,
  type Wrapped,
} from "@env/core/driver";
import {
  inRegion,
  isKeyOf,
  isMultiRegion,
  parseKeyArn,
  parseKeyName,
  type KeyName,
} from "./arn.ts";
import type { Calls, Operation } from "./calls.ts";
import type { EncryptOutput } from "./client.ts";
import { diagnosticsOf } from "./doctor.ts";
import { AwsKmsError, classify, failures } from "./errors.ts";
import type { Settings } from "./options.ts";

export function driverOf(settings: Settings, calls: Calls): CmkDriver {
  const { key: keyId } = settings;
  const own = new OwnKey(settings, calls);

  return own.watching({
    provider: "aws-kms",
    keyId,

    async generate({ context, signal }) {
      const operation = "GenerateDataKey";
      const EncryptionContext = context.map;
      const out = await calls.call(operation, signal, (client, tokens, options) =>
        client.generateDataKey(
          { KeyId: keyId, KeySpec: "AES_256", EncryptionContext, ...tokens },
          options,
        ),
      );
      try {
        if (out.Plaintext?.length !== DATA_KEY_BYTES) {
          throw failures.invalidAnswer(operation, `a data key has ${DATA_KEY_BYTES} bytes`);
        }
        const made = own.wrapped(out, operation);
        return {
          plaintext: failures.plaintextIn(operation, out.Plaintext),
          ...made,
          ...version(out.KeyMaterialId),
        };
      } finally {
        wipePlaintext(out);
      }
    },

    async wrap({ plaintext, context, signal }) {
      const operation = "Encrypt";
      const EncryptionContext = context.map;
      const out = await calls.call(operation, signal, (client, tokens, options) =>
        client.encrypt(
          { KeyId: keyId, Plaintext: plaintext, EncryptionContext, ...tokens },
          options,
        ),
      );
      return own.wrapped(out, operation);
    },

    async unwrap({ wrapped, keyId: asked, context, signal }) {
      const operation = "Decrypt";
      const KeyId = own.toCall(asked);
      const EncryptionContext = context.map;
      const out = await calls.call(operation, signal, (client, tokens, options) =>
        client.decrypt({ KeyId, CiphertextBlob: wrapped, EncryptionContext, ...tokens }, options),
      );
      try {
        own.requireAnswerOf(asked, out.KeyId, operation);
        return {
          plaintext: failures.plaintextIn(operation, out.Plaintext),
          ...version(out.KeyMaterialId),
        };
      } finally {
        wipePlaintext(out);
      }
    },

    async rewrap({ wrapped, keyId: asked, context, signal }) {
      const operation = "ReEncrypt";
      const SourceKeyId = own.toCall(asked);
      const out = await calls.call(operation, signal, (client, tokens, options) =>
        client.reEncrypt(
          {
            CiphertextBlob: wrapped,
            SourceKeyId,
            SourceEncryptionContext: context.map,
            DestinationKeyId: keyId,
            DestinationEncryptionContext: context.map,
            ...tokens,
          },
          options,
        ),
      );
      own.requireAnswerOf(asked, out.SourceKeyId, operation);
      const made = {
        ...own.wrapped(out, operation),
        ...version(out.DestinationKeyMaterialId),
      };
      const { keyVersion: fromVersion } = version(out.SourceKeyMaterialId);
      return fromVersion === undefined ? made : { ...made, fromVersion };
    },

    matches(label) {
      return own.matches(label);
    },

    classify,

    describe() {
      return diagnosticsOf(keyId, calls);
    },

    close() {
      return calls.close();
    },
  });
}

/** An alias is resolved again after this time. */
const RESOLVE_AGAIN_MS = 60_000;

/** Refusals after which an alias may refer to another key than before. */
const contradictions: ReadonlySet<string> = new Set(["IncorrectKeyException", "NotFoundException"]);

/**
 * The configured key. An alias is resolved when it is first compared and once a minute from then on, except
 * while answers of KMS show the key anyway, and at once after a call that contradicts the result.
 */
class OwnKey {
  readonly #keyId: string;
  readonly #name: KeyName;
  readonly #region: string | undefined;
  readonly #calls: Calls;
  /** ARN of the key that the alias refers to. */
  readonly #target: Learnt<string>;

  constructor({ key, name, connection }: Settings, calls: Calls) {
    this.#keyId = key;
    this.#name = name;
    this.#region = connection.region;
    this.#calls = calls;
    this.#target = new Learnt({
      ask: () => this.#resolve(),
      maxAge: RESOLVE_AGAIN_MS,
      contradictedBy: (error) => error instanceof AwsKmsError && contradictions.has(error.name),
    });
  }

  /** Watches a driver for refusals that contradict what is known of the alias. */
  watching(driver: Required<Pick<CmkDriver, "generate" | "rewrap">> & CmkDriver): CmkDriver {
    return {
      ...driver,
      generate: (request) => this.#target.watch(() => driver.generate(request)),
      wrap: (request) => this.#target.watch(() => driver.wrap(request)),
      unwrap: (request) => this.#target.watch(() => driver.unwrap(request)),
      rewrap: (request) => this.#target.watch(() => driver.rewrap(request)),
    };
  }

  /** Whether an entry of this label was wrapped by this key, in this region or another. */
  matches(label: string): Awaitable<boolean> {
    if (this.#name.kind === "key") return isKeyOf(this.#name, label);
    return this.#target.passes((arn) => isSame(arn, label));
  }

  /** What to call for one of the configured keys: a multi-Region key, in the region of this one. */
  toCall(asked: string): string {
    const name = parseKeyArn(asked);
    const region = this.#region ?? parseKeyArn(this.#target.known ?? "")?.place.region;
    if (name === undefined || region === undefined || !isMultiRegion(name)) return asked;
    return inRegion(name, region);
  }

  /** Requires that KMS used the key it was asked to use. */
  requireAnswerOf(asked: string, arn: unknown, operation: Operation): void {
    if (typeof arn !== "string") throw failures.invalidAnswer(operation, "it names no key");
    const name = parseKeyName(asked);
    const { known } = this.#target;
    const moved = asked === this.#keyId && known !== undefined && !isSame(known, arn);
    if (name !== undefined && isKeyOf(name, arn) && !moved) return;
    const hint = "another key answered than the one asked";
    throw new AwsKmsError("IncorrectKeyException", { operation, hint });
  }

  /** Checks what this key wrapped, and takes a copy of it. */
  wrapped({ CiphertextBlob: blob, KeyId: arn }: EncryptOutput, operation: Operation): Wrapped {
    const wrapped = failures.wrappedIn(operation, blob);
    if (typeof arn !== "string" || !isKeyOf(this.#name, arn)) {
      throw failures.invalidAnswer(operation, "another key answered than the one asked");
    }
    if (this.#name.kind === "alias") this.#target.learn(arn);
    return { wrapped, keyId: arn };
  }

  async #resolve(): Promise<string> {
    const operation = "DescribeKey";
    const { KeyMetadata } = await this.#calls
      .call(operation, undefined, (client, tokens, options) =>
        client.describeKey({ KeyId: this.#keyId, ...tokens }, options),
      )
      .catch(withoutAlias);
    const arn = KeyMetadata?.Arn;
    if (typeof arn !== "string" || !isKeyOf(this.#name, arn)) {
      throw failures.invalidAnswer(
        operation,
        "an alias must stand for a key of its own account and region",
      );
    }
    return arn;
  }
}

const withoutAlias = hintIfDenied(
  classify,
  "to find the key of an alias; allow kms:DescribeKey, or name the key's ARN in alsoUnwrap",
);

/** Whether an ARN and a label name one key, in this region or another. */
function isSame(arn: string, label: string): boolean {
  const name = parseKeyArn(arn);
  return name !== undefined && isKeyOf(name, label);
}

/** Encrypt does not report the version, and older servers never do. */
function version(keyMaterialId: unknown): { readonly keyVersion?: string } {
  return typeof keyMaterialId === "string" ? { keyVersion: keyMaterialId } : {};
}

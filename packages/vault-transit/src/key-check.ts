/**
 * Checks whether a key binds the context, before it is used and again once a minute.
 *
 * A key that does not derive keys accepts a context and ignores it without error or warning, but its
 * description shows this. If the caller may not read the description, the adapter tries the operation with
 * an empty context, which a key that derives refuses. A server that knows `associated_data` never ignores
 * it, and a server that does not know it says so. Still, without a description, the adapter checks once
 * that a wrapped key does not open under other data.
 *
 * A key can be deleted and created again while a client runs. The key is therefore checked again at once
 * after an answer that contradicts what is known: a version below an earlier one, or a missing key.
 *
 * Source: OpenBao sdk/helper/keysutil/policy.go, DeriveKey
 *
 * @module
 */
import { Learnt } from "@env/core/driver";
import type { Calls, Data, Operation, Request } from "./calls.ts";
import { failures, VaultTransitError } from "./errors.ts";
import type { KeyName } from "./key-name.ts";
import type { VaultTransitMode } from "./options.ts";

/** The call that is about to be made. */
export interface Intent {
  readonly operation: Operation;
  readonly path: string;
  /** The parameters, except for the one that binds the context. */
  readonly body: Data;
}

/** Keys that authenticate what they encrypt. Source: OpenBao keysutil, KeyType.AssociatedDataSupported */
const authenticating: ReadonlySet<unknown> = new Set([
  "aes128-gcm96",
  "aes256-gcm96",
  "chacha20-poly1305",
  "xchacha20-poly1305",
  "external-key",
]);

/** A key is checked again after this time. */
const CHECK_AGAIN_MS = 60_000;

/** Errors after which the name may refer to another key than before. */
const contradictions: ReadonlySet<string> = new Set([
  "KeyNotFound",
  "MountNotFound",
  "NamespaceNotFound",
  "KeyDisabled",
  "KeyUnsuitable",
  "KeyVersionUnknown",
  "ContextRequired",
  "AccessDenied",
]);

/** The checks of one key, and their results. */
export class KeyCheck {
  readonly #key: KeyName;
  readonly #mode: VaultTransitMode;
  /** Whether the description shows that the key is sound, or is out of reach. */
  readonly #description: Learnt<"sound" | "out of reach">;
  /** When a trial succeeded. */
  #triedAt = -Infinity;
  /** The latest version that the server named. */
  #version = 0;

  constructor(key: KeyName, mode: VaultTransitMode, calls: Calls) {
    this.#key = key;
    this.#mode = mode;
    // Concurrent callers share one call, so no caller's signal ends it.
    const ask = (): Promise<"sound" | "out of reach"> =>
      calls
        .run("read", undefined, (request) => describeKey(key, request))
        .then(
          (description) => this.#learn(description),
          (error: unknown) => {
            if (isNamed(error, "AccessDenied")) return "out of reach";
            throw error;
          },
        );
    this.#description = new Learnt({ ask, maxAge: CHECK_AGAIN_MS });
  }

  /** @throws {@link VaultTransitError} `KeyUnsuitable`, `KeyNotFound`, and the errors of a call. */
  async require(intent: Intent, request: Request): Promise<void> {
    if ((await this.#description.get()) === "sound") return;
    if (performance.now() - this.#triedAt < CHECK_AGAIN_MS) return;
    try {
      if (this.#mode === "derived") await requireDerived(intent, request);
      else if (intent.operation === "encrypt") await requireBound(this.#key, request);
      else return; // Only a wrap can fail to bind the context.
    } catch (error) {
      throw isNamed(error, "AccessDenied") ? this.#untried(error, intent) : error;
    }
    this.#triedAt = performance.now();
  }

  /**
   * Takes the version that wrapped. A version below the latest one that was seen belongs to another key or
   * comes from a standby that is behind, so the key is checked again before the answer is used. Throws like
   * {@link require}.
   */
  async requireVersion(version: string, intent: Intent, request: Request): Promise<void> {
    const wentBack = Number(version) < this.#version;
    this.#version = Number(version);
    if (!wentBack) return;
    this.#forget();
    await this.require(intent, request);
  }

  /** Returns the error to throw for the error of a call. Forgets what is known if the error contradicts it. */
  async explained(error: unknown, { operation }: Intent): Promise<unknown> {
    if (!(error instanceof VaultTransitError) || !contradictions.has(error.name)) return error;
    const wasSound = this.#description.known === "sound";
    this.#forget();
    // Encrypting with a missing key would create it, and creating it is what the policy denies.
    if (!isNamed(error, "AccessDenied") || operation !== "encrypt" || !wasSound) return error;
    return this.#description.get().then(
      () => error,
      (found: unknown) => (isNamed(found, "KeyNotFound") ? found : error),
    );
  }

  #learn(description: Data): "sound" {
    const problem = problemOf(description, this.#key, this.#mode);
    if (problem !== undefined) throw problem;
    this.#version = Number(description["latest_version"]) || 0;
    return "sound";
  }

  #forget(): void {
    this.#description.forget();
    this.#triedAt = -Infinity;
  }

  /** Explains that a policy for certain contexts does not allow the trial with another context. */
  #untried(error: VaultTransitError, { path }: Intent): VaultTransitError {
    const { mount, name } = this.#key;
    return error.with({
      hint: `allow update on ${path}, and read on ${mount}/keys/${name}, by which the key is checked`,
    });
  }
}

/** Returns the answer of `GET keys/:name`. */
export function describeKey({ mount, name }: KeyName, request: Request): Promise<Data> {
  return request("read", `${mount}/keys/${name}`);
}

/** Says why a key does not suit the mode; `undefined` if it does. */
export function problemOf(
  { name, type, derived }: Data,
  key: KeyName,
  mode: VaultTransitMode,
): VaultTransitError | undefined {
  const operation = "read";
  if (name !== key.name || typeof type !== "string" || typeof derived !== "boolean") {
    return failures.invalidAnswer(operation, "it describes another key");
  }
  if (!authenticating.has(type)) {
    const hint = "the key is not of a type for authenticated encryption, like aes256-gcm96";
    return new VaultTransitError("KeyUnsuitable", { operation, hint });
  }
  if (derived && mode === "aad") {
    const hint = "the key derives keys from a context; use mode derived";
    return new VaultTransitError("KeyUnsuitable", { operation, hint });
  }
  return !derived && mode === "derived" ? notDerived(operation) : undefined;
}

function notDerived(operation: Operation): VaultTransitError {
  const hint =
    "the key was not made with derived=true and would ignore the context; make one that is, or use mode aad";
  return new VaultTransitError("KeyUnsuitable", { operation, hint });
}

/** Tries a call without a context, which a key that derives refuses. */
async function requireDerived({ operation, path, body }: Intent, request: Request): Promise<void> {
  // Present but empty, because a policy may require the parameter.
  const probe = { ...body, context: "", ...("plaintext" in body && { plaintext: ZEROS }) };
  try {
    await request(operation, path, probe);
  } catch (error) {
    if (isNamed(error, "ContextRequired")) return;
    // The key was used: it found that the bytes are not its own ciphertext.
    if (error instanceof VaultTransitError && error.name === "InvalidCiphertext") {
      throw notDerived(operation);
    }
    throw error;
  }
  throw notDerived(operation);
}

/** Wraps zeros, and requires that they do not open with other data. */
async function requireBound({ mount, name }: KeyName, request: Request): Promise<void> {
  const [one, other] = ["AQ==", "Ag=="];
  const { ciphertext } = await request("encrypt", `${mount}/encrypt/${name}`, {
    plaintext: ZEROS,
    associated_data: one,
    ...existingKey,
  });
  try {
    await request("decrypt", `${mount}/decrypt/${name}`, { ciphertext, associated_data: other });
  } catch (error) {
    // A caller that may only wrap relies on the server, which reports every parameter that it ignores.
    if (isNamed(error, "InvalidCiphertext") || isNamed(error, "AccessDenied")) return;
    throw error;
  }
  throw new VaultTransitError("KeyUnsuitable", {
    operation: "decrypt",
    hint: "the server does not bind associated_data; use mode derived with a key made for it",
  });
}

/**
 * Keeps `encrypt` from creating a missing key, whatever the policies allow: Transit uses the type only to
 * create a key, and this type does not exist. Source: OpenBao builtin/logical/transit/path_encrypt.go
 */
export const existingKey = { type: "existing" } as const;

/** 32 zero bytes in base64. */
const ZEROS = Buffer.alloc(32).toString("base64");

function isNamed(error: unknown, name: VaultTransitError["name"]): error is VaultTransitError {
  return error instanceof VaultTransitError && error.name === name;
}

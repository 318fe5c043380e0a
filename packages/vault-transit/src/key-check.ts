/**
 * Whether a key binds the context, found out before it is used and again once a minute.
 *
 * A key that does not derive keys takes a context and ignores it, without error or warning. Its
 * description tells. A caller that may not read the description tries the operation itself with an empty
 * context, which a key that derives refuses. `associated_data` is never ignored by a server that knows
 * it, and one that does not says so; still, where a description is out of reach, a wrapped key has to be
 * refused under other data once.
 *
 * A key can be deleted and made again while a client runs. So an answer that contradicts what is known
 * has the key checked at once: a version below one that was seen, or a key that is missing.
 *
 * Source: OpenBao sdk/helper/keysutil/policy.go, DeriveKey
 *
 * @module
 */
import { Learnt } from "@env/core/driver";
import type { Calls, Data, Operation, Request } from "./calls.ts";
import { VaultTransitError } from "./errors.ts";
import type { KeyName } from "./key-name.ts";
import type { VaultTransitMode } from "./options.ts";

/** What is about to be called. */
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

/** A key is checked again after this long. */
const CHECK_AGAIN_MS = 60_000;

/** Errors after which the key may be another one than it was. */
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

/** What is known of one key. */
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
    // One question for all who ask meanwhile; nobody's signal ends it.
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

  /** @throws {@link VaultTransitError} `KeyUnsuitable`, `KeyNotFound`, and what a call gives. */
  async require(intent: Intent, request: Request): Promise<void> {
    if ((await this.#description.get()) === "sound") return;
    if (performance.now() - this.#triedAt < CHECK_AGAIN_MS) return;
    try {
      if (this.#mode === "derived") await requireDerived(intent, request);
      else if (intent.operation === "encrypt") await requireBound(this.#key, request);
      else return; // Only who wraps can leave it out.
    } catch (error) {
      throw isNamed(error, "AccessDenied") ? this.#untried(error, intent) : error;
    }
    this.#triedAt = performance.now();
  }

  /**
   * Takes the version that wrapped. One below the latest that was seen is another key's, or comes from a
   * standby that is behind: the key is checked again before its answer is used. Throws as {@link require}.
   */
  async requireVersion(version: string, intent: Intent, request: Request): Promise<void> {
    const wentBack = Number(version) < this.#version;
    this.#version = Number(version);
    if (!wentBack) return;
    this.#forget();
    await this.require(intent, request);
  }

  /** The error to throw for one that a call gave; one that contradicts what is known has it forgotten. */
  async explained(error: unknown, { operation }: Intent): Promise<unknown> {
    if (!(error instanceof VaultTransitError) || !contradictions.has(error.name)) return error;
    const wasSound = this.#description.known === "sound";
    this.#forget();
    // To encrypt with a key that is missing is to create one, and that is what is denied.
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

  /** A policy for certain contexts allows no trial with another one. */
  #untried(error: VaultTransitError, { path }: Intent): VaultTransitError {
    const { mount, name } = this.#key;
    return error.with({
      hint: `allow update on ${path}, and read on ${mount}/keys/${name}, by which the key is checked`,
    });
  }
}

/** What `GET keys/:name` tells. */
export function describeKey({ mount, name }: KeyName, request: Request): Promise<Data> {
  return request("read", `${mount}/keys/${name}`);
}

/** Why a key is not fit for the mode. */
export function problemOf(
  { name, type, derived }: Data,
  key: KeyName,
  mode: VaultTransitMode,
): VaultTransitError | undefined {
  const operation = "read";
  if (name !== key.name || typeof type !== "string" || typeof derived !== "boolean") {
    const hint = "not an answer of Transit: it describes another key";
    return new VaultTransitError("InvalidAnswer", { operation, hint });
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

/** A key that derives refuses every call without a context. */
async function requireDerived({ operation, path, body }: Intent, request: Request): Promise<void> {
  // Present though empty: a policy may ask for the parameter.
  const probe = { ...body, context: "", ...("plaintext" in body && { plaintext: ZEROS }) };
  try {
    await request(operation, path, probe);
  } catch (error) {
    if (isNamed(error, "ContextRequired")) return;
    // The key itself was used: it found that the bytes are not a ciphertext of its own.
    if (error instanceof VaultTransitError && error.name === "InvalidCiphertext") {
      throw notDerived(operation);
    }
    throw error;
  }
  throw notDerived(operation);
}

/** Wraps nothing in particular; other data must not open it. */
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
    // Who may only wrap has the server's word: it ignores no parameter without saying so.
    if (isNamed(error, "InvalidCiphertext") || isNamed(error, "AccessDenied")) return;
    throw error;
  }
  throw new VaultTransitError("KeyUnsuitable", {
    operation: "decrypt",
    hint: "the server does not bind associated_data; use mode derived with a key made for it",
  });
}

/**
 * Keeps `encrypt` from creating a missing key, whatever the policies allow: Transit looks at the type only
 * to create a key, and this type does not exist. Source: OpenBao builtin/logical/transit/path_encrypt.go
 */
export const existingKey = { type: "existing" } as const;

/** 32 bytes of nothing. */
const ZEROS = Buffer.alloc(32).toString("base64");

function isNamed(error: unknown, name: VaultTransitError["name"]): error is VaultTransitError {
  return error instanceof VaultTransitError && error.name === name;
}

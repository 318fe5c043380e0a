/**
 * That a key does bind the context, found out before it is used first.
 *
 * A key that derives none takes a context and ignores it, without error or warning. Its description
 * tells; who may not read it asks the operation itself, with an empty context, which a key that derives
 * refuses. `associated_data` is never ignored by a server that knows it, and one that does not says so;
 * still, where a description is out of reach, a wrapped key has to be refused under other data once.
 *
 * Source: OpenBao sdk/helper/keysutil/policy.go, DeriveKey
 *
 * @module
 */
import type { Calls, Data, Operation, Request } from "./calls.ts";
import { VaultTransitError } from "./errors.ts";
import { labelOf, type KeyName } from "./key-name.ts";
import type { VaultTransitMode } from "./options.ts";

/** What is about to be called. */
export interface Intent {
  readonly operation: Operation;
  readonly path: string;
  /** Without what binds the context. */
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

export class KeyCheck {
  readonly #calls: Calls;
  readonly #mode: VaultTransitMode;
  readonly #sound = new Set<string>();
  readonly #unreadable = new Set<string>();
  readonly #reading = new Map<string, Promise<void>>();

  constructor(calls: Calls, mode: VaultTransitMode) {
    this.#calls = calls;
    this.#mode = mode;
  }

  /** @throws {@link VaultTransitError} `KeyUnsuitable`, `KeyNotFound`, and what a call gives. */
  async require(key: KeyName, intent: Intent, request: Request): Promise<void> {
    const label = labelOf(key);
    if (!this.#sound.has(label) && !this.#unreadable.has(label)) await this.#read(key, label);
    if (this.#sound.has(label)) return;
    if (this.#mode === "derived") await requireDerived(intent, request);
    else if (intent.operation === "encrypt") await requireBound(key, request);
    else return; // Only who wraps can leave it out.
    this.#sound.add(label);
  }

  /** One question for all who ask meanwhile; nobody's signal ends it. */
  async #read(key: KeyName, label: string): Promise<void> {
    const reading =
      this.#reading.get(label) ??
      this.#calls
        .run("read", undefined, (request) => describeKey(key, request))
        .then(
          (description) => {
            const problem = problemOf(description, key, this.#mode);
            if (problem !== undefined) throw problem;
            this.#sound.add(label);
          },
          (error: unknown) => {
            if (!isNamed(error, "AccessDenied")) throw error;
            this.#unreadable.add(label);
          },
        )
        .finally(() => this.#reading.delete(label));
    this.#reading.set(label, reading);
    await reading;
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

/** Without a context, a key that derives refuses all. */
async function requireDerived({ operation, path, body }: Intent, request: Request): Promise<void> {
  // Present though empty: a policy may ask for the parameter.
  const probe = { ...body, context: "", ...("plaintext" in body && { plaintext: ZEROS }) };
  try {
    await request(operation, path, probe);
  } catch (error) {
    if (isNamed(error, "ContextRequired")) return;
    // The key itself was used, for it found the bytes to be no ciphertext of its own.
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

/** 32 bytes of nothing. */
const ZEROS = Buffer.alloc(32).toString("base64");

function isNamed(error: unknown, name: VaultTransitError["name"]): boolean {
  return error instanceof VaultTransitError && error.name === name;
}

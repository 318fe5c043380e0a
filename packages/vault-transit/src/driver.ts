/**
 * A key in Transit as a CMK.
 *
 * In the mode `derived` the context goes into the derivation of the key inside Vault, for data keys,
 * unwraps and rewraps alike. In the mode `aad` it is `associated_data`, which Vault's `datakey` drops and
 * every `rewrap` ignores, so data keys are made and rewrapped in this process.
 *
 * A wrapped key is Vault's text, `vault:v3:…`, in ASCII. Vault reads more than it writes (`v0`, spare
 * bits, line breaks). Here, only what it writes is accepted, so that each wrapped key has one form.
 *
 * Source: Vault HTTP API, secret/transit; OpenBao builtin/logical/transit
 *
 * @module
 */
import type { Bytes } from "@env/core";
import {
  DATA_KEY_BYTES,
  keyBlockLimits,
  wipePlaintext,
  type CmkDriver,
  type KmsContext,
  type Unwrapped,
  type UnwrapRequest,
  type Wrapped,
} from "@env/core/driver";
import type { Calls, Data, Operation } from "./calls.ts";
import { diagnosticsOf } from "./doctor.ts";
import { classify, failures, VaultTransitError } from "./errors.ts";
import { existingKey, KeyCheck, type Intent } from "./key-check.ts";
import { labelOf, parseLabel, type KeyName } from "./key-name.ts";
import type { Settings } from "./options.ts";

const MAX_WRAPPED_BYTES = keyBlockLimits.wrappedBytes;

export function driverOf(settings: Settings, calls: Calls): CmkDriver {
  const { key, mode } = settings;
  const keyId = labelOf(key);
  /** The checks of this key and of further keys that unwrap, by label. */
  const checks = new Map<string, KeyCheck>();
  const derived = mode === "derived";

  function checkOf(of: KeyName): KeyCheck {
    const label = labelOf(of);
    const check = checks.get(label) ?? new KeyCheck(of, mode, calls);
    checks.set(label, check);
    return check;
  }

  /** Calls one endpoint of a key, with the context bound, after the key was found to be sound. */
  function bound<T extends { readonly keyVersion: string }>(
    intent: Intent,
    of: KeyName,
    { context, signal }: { readonly context: KmsContext; readonly signal: AbortSignal | undefined },
    take: (data: Data) => T,
  ): Promise<T> {
    const { operation, path, body } = intent;
    const check = checkOf(of);
    const binding = Buffer.from(context.bytes).toString("base64");
    const name = derived ? "context" : "associated_data";
    return calls.run(operation, signal, async (request) => {
      try {
        await check.require(intent, request);
        const taken = take(await request(operation, path, { ...body, [name]: binding }));
        if (operation === "decrypt") return taken; // Here, the version is what the entry says.
        try {
          await check.requireVersion(taken.keyVersion, intent, request);
          return taken;
        } catch (error) {
          wipePlaintext(taken);
          throw error;
        }
      } catch (error) {
        throw await check.explained(error, intent);
      }
    });
  }

  const wrap: CmkDriver["wrap"] = ({ plaintext, ...request }) => {
    const { buffer, byteOffset, byteLength } = plaintext; // A view: a copy would stay behind.
    const body = {
      plaintext: Buffer.from(buffer, byteOffset, byteLength).toString("base64"),
      ...existingKey,
    };
    const intent = {
      operation: "encrypt",
      path: `${key.mount}/encrypt/${key.name}`,
      body,
    } as const;
    return bound(intent, key, request, (data) => wrappedOf(data, keyId, "encrypt"));
  };

  const unwrap = async ({
    wrapped,
    keyId: asked,
    ...request
  }: UnwrapRequest): Promise<Required<Unwrapped>> => {
    const of = parseLabel(asked, key.namespace) ?? key;
    const ciphertext = textOf(wrapped, "decrypt");
    const path = `${of.mount}/decrypt/${of.name}`;
    const intent = { operation: "decrypt", path, body: { ciphertext } } as const;
    return bound(intent, of, request, (data) => ({
      plaintext: plaintextOf(data, "decrypt"),
      keyVersion: versionOf(ciphertext),
    }));
  };

  const driver: CmkDriver = {
    provider: "vault-transit",
    keyId,
    wrap,
    unwrap,
    classify,
    describe: () => diagnosticsOf(settings, calls),
    close: () => calls.close(),
  };
  if (!derived) return driver;

  driver.generate = (request) => {
    const path = `${key.mount}/datakey/plaintext/${key.name}`;
    const intent = { operation: "datakey", path, body: { bits: 256 } } as const;
    return bound(intent, key, request, (data) => {
      const made = wrappedOf(data, keyId, "datakey");
      const plaintext = plaintextOf(data, "datakey");
      if (plaintext.length === DATA_KEY_BYTES) return { plaintext, ...made };
      plaintext.fill(0);
      throw failures.invalidAnswer("datakey", `a data key has ${DATA_KEY_BYTES} bytes`);
    });
  };
  driver.rewrap = async (request) => {
    if (request.keyId !== keyId) return undefined; // Vault rewraps within one key.
    const ciphertext = textOf(request.wrapped, "rewrap");
    const path = `${key.mount}/rewrap/${key.name}`;
    const intent = { operation: "rewrap", path, body: { ciphertext } } as const;
    return bound(intent, key, request, (data) => ({
      ...wrappedOf(data, keyId, "rewrap"),
      fromVersion: versionOf(ciphertext),
    }));
  };
  return driver;
}

/** Vault's form of a wrapped key: `vault:v<version>:<base64>`. */
const CIPHERTEXT = /^vault:v([1-9][0-9]{0,9}):([A-Za-z0-9+/]+={0,2})$/;

function isCiphertext(text: unknown): text is string {
  const [, , payload] = typeof text === "string" ? (CIPHERTEXT.exec(text) ?? []) : [];
  return payload !== undefined && isBase64(payload);
}

/** Whether text is standard base64 in its canonical form. */
function isBase64(text: string): boolean {
  return Buffer.from(text, "base64").toString("base64") === text;
}

/** Returns the wrapped key of an entry as text. */
function textOf(wrapped: Uint8Array, operation: Operation): string {
  const text = Buffer.from(wrapped).toString("latin1");
  if (isCiphertext(text)) return text;
  const hint = "the bytes are not what Transit writes: vault:v1:…";
  throw new VaultTransitError("InvalidCiphertext", { operation, hint });
}

function versionOf(ciphertext: string): string {
  return CIPHERTEXT.exec(ciphertext)?.[1] ?? "";
}

function wrappedOf(
  { ciphertext, key_version: version }: Data,
  keyId: string,
  operation: Operation,
): Required<Wrapped> {
  if (!isCiphertext(ciphertext) || ciphertext.length > MAX_WRAPPED_BYTES) {
    throw failures.invalidAnswer(
      operation,
      `a wrapped key is vault:v1:… of ${MAX_WRAPPED_BYTES} bytes at most`,
    );
  }
  const keyVersion = versionOf(ciphertext);
  // Old servers do not report it.
  if (version !== undefined && version !== Number(keyVersion)) {
    throw failures.invalidAnswer(operation, "the wrapped key is of another version than it says");
  }
  return { wrapped: new Uint8Array(Buffer.from(ciphertext, "latin1")), keyId, keyVersion };
}

function plaintextOf({ plaintext }: Data, operation: Operation): Bytes {
  if (typeof plaintext === "string" && isBase64(plaintext)) {
    const pooled = Buffer.from(plaintext, "base64");
    try {
      return new Uint8Array(pooled);
    } finally {
      pooled.fill(0);
    }
  }
  throw failures.invalidAnswer(operation, "there is no plaintext in it");
}

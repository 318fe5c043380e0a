/**
 * The peers: other people's packages and programs, found where they are installed.
 *
 * They are not dependencies of this repository: `peers/package.json` pins them, {@link INSTALL} installs
 * them, and the table names the missing ones. Only the members that are used are declared here.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Duplex } from "node:stream";

const FOLDER = join(import.meta.dirname, "peers");

export const INSTALL =
  "npm install --prefix tools/bench/peers --no-save --no-package-lock --no-audit --no-fund";
export const INSTALL_AGE = "apt-get install age";

const require = createRequire(join(FOLDER, "package.json"));

/** A package, or `undefined` where it is not installed. */
export function loadPeer(name: string): unknown {
  try {
    return require(name);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "MODULE_NOT_FOUND") {
      return undefined;
    }
    throw error;
  }
}

/** What a row says about a peer that is not there. */
export function missing(install: string = INSTALL): { theirs: undefined; note: string } {
  return { theirs: undefined, note: `missing: ${install}` };
}

/** Runs a program to its end. Gives what it prints. */
export function runProgram(program: string, ...args: readonly string[]): string {
  return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

/** First line that a program prints about itself, or `undefined` where it is not installed. */
export function programVersion(program: string, ...args: readonly string[]): string | undefined {
  try {
    return runProgram(program, ...args)
      .split("\n")[0]
      ?.trim();
  } catch {
    return undefined;
  }
}

/** Installed versions by name, for the report. */
export function peerVersions(): Record<string, string> {
  const manifest = JSON.parse(readFileSync(join(FOLDER, "package.json"), "utf8")) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  const versions: Record<string, string> = {};
  for (const name of Object.keys(manifest.dependencies)) {
    try {
      const file = join(FOLDER, "node_modules", name, "package.json");
      versions[name] = (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
    } catch {
      versions[name] = "missing";
    }
  }
  versions["age"] = programVersion("age", "--version") ?? "missing";
  versions["openssl"] = programVersion("openssl", "version")?.replace(/ \(.*/, "") ?? "missing";
  return versions;
}

/** `@aws-crypto/client-node`. */
export interface Esdk {
  buildClient(options: {
    readonly commitmentPolicy: string;
    readonly maxEncryptedDataKeys: number | false;
  }): EsdkClient;
  readonly CommitmentPolicy: { readonly REQUIRE_ENCRYPT_REQUIRE_DECRYPT: string };
  readonly AlgorithmSuiteIdentifier: {
    /** Committing and unsigned: the default suite without its signature. */
    readonly ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY: number;
  };
  readonly RawAesWrappingSuiteIdentifier: { readonly AES256_GCM_IV12_TAG16_NO_PADDING: number };
  readonly RawAesKeyringNode: new (options: {
    readonly keyName: string;
    readonly keyNamespace: string;
    readonly unencryptedMasterKey: Uint8Array;
    readonly wrappingSuite: number;
  }) => EsdkMaterials;
  readonly NodeCachingMaterialsManager: new (options: {
    readonly backingMaterials: EsdkMaterials;
    readonly cache: object;
    readonly maxAge: number;
    readonly maxBytesEncrypted?: number;
    readonly maxMessagesEncrypted?: number;
  }) => EsdkMaterials;
  getLocalCryptographicMaterialsCache(capacity: number): object;
}

/** A keyring or a materials manager. */
export interface EsdkMaterials {
  readonly [brand]?: never;
}
declare const brand: unique symbol;

export interface EsdkOptions {
  readonly suiteId?: number;
  readonly frameLength?: number;
  readonly encryptionContext?: Readonly<Record<string, string>>;
}

interface EsdkClient {
  encrypt(
    materials: EsdkMaterials,
    plaintext: Uint8Array,
    options: EsdkOptions,
  ): Promise<{ readonly result: Buffer }>;
  decrypt(materials: EsdkMaterials, message: Uint8Array): Promise<{ readonly plaintext: Buffer }>;
  encryptStream(materials: EsdkMaterials, options: EsdkOptions): Duplex;
  decryptStream(materials: EsdkMaterials): Duplex;
  decryptUnsignedMessageStream(materials: EsdkMaterials): Duplex;
}

export interface OpenedEsdk {
  readonly esdk: Esdk;
  readonly client: EsdkClient;
  readonly keyring: EsdkMaterials;
  /** The suite without signature. */
  readonly unsigned: number;
}

/** The Encryption SDK over a raw AES key in memory, which is the cheapest key it has. */
export function openEsdk(masterKey: Uint8Array): OpenedEsdk | undefined {
  const esdk = loadPeer("@aws-crypto/client-node") as Esdk | undefined;
  if (esdk === undefined) return undefined;
  const client = esdk.buildClient({
    commitmentPolicy: esdk.CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT,
    maxEncryptedDataKeys: false,
  });
  const keyring = new esdk.RawAesKeyringNode({
    keyName: "bench",
    keyNamespace: "bench",
    // It asks for memory that nobody shares.
    unencryptedMasterKey: new Uint8Array(masterKey),
    wrappingSuite: esdk.RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
  });
  const unsigned = esdk.AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY;
  return { esdk, client, keyring, unsigned };
}

/** `age-encryption`, known as typage. */
export interface Typage {
  readonly generateX25519Identity: () => Promise<string>;
  readonly identityToRecipient: (identity: string) => Promise<string>;
  readonly Encrypter: new () => {
    addRecipient(recipient: string): void;
    encrypt(file: ReadableStream<Uint8Array>): Promise<AsyncIterable<Uint8Array>>;
  };
  readonly Decrypter: new () => {
    addIdentity(identity: string): void;
    decrypt(file: ReadableStream<Uint8Array>): Promise<AsyncIterable<Uint8Array>>;
  };
}

/** `libsodium-wrappers`. */
export interface Sodium {
  readonly ready: Promise<void>;
  crypto_secretstream_xchacha20poly1305_keygen(): Uint8Array;
  crypto_secretstream_xchacha20poly1305_init_push(key: Uint8Array): {
    readonly state: object;
    readonly header: Uint8Array;
  };
  crypto_secretstream_xchacha20poly1305_push(
    state: object,
    message: Uint8Array,
    aad: Uint8Array | null,
    tag: number,
  ): Uint8Array;
  crypto_secretstream_xchacha20poly1305_init_pull(header: Uint8Array, key: Uint8Array): object;
  crypto_secretstream_xchacha20poly1305_pull(
    state: object,
    sealed: Uint8Array,
  ): { readonly message: Uint8Array } | false;
  readonly crypto_secretstream_xchacha20poly1305_TAG_MESSAGE: number;
  readonly crypto_secretstream_xchacha20poly1305_ABYTES: number;
}

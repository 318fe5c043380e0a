/** Ciphertext blobs of the local KMS: what opens, and what is a rejection. */

import { cat, encodeContext, localWrap, type Context } from "../format.ts";
import { flip, Kit, uuid } from "../testkit.ts";

interface LocalWrapVector {
  readonly spec: string;
  readonly comment: string;
  readonly keyId: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly context: Context;
  readonly blob: string;
  readonly plaintext?: string;
  readonly expect: "ok" | "rejected";
}

type LocalWrapCases = Readonly<Record<string, (name: string) => LocalWrapVector>>;

interface Options {
  readonly length?: number;
  readonly context?: Context;
  readonly version?: number;
  readonly format?: number;
}

interface Wrapped {
  readonly kit: Kit;
  readonly keyId: string;
  versions: Record<string, string>;
  context: Context;
  readonly plaintext: Buffer;
  blob: Buffer;
}

function wrap(name: string, options: Options = {}): Wrapped {
  const kit = new Kit(`local-wrap ${name}`);
  const keyId = uuid(kit.name);
  const { version = 1, format = 1, context = { "env:format": "1", tenant: "acme" } } = options;
  const versionKey = kit.bytes("version key", 32);
  const plaintext = kit.bytes("plaintext", options.length ?? 32);
  const salt = kit.bytes("salt", 24);
  const contextBytes = encodeContext(context);
  const { blob } = localWrap({ format, keyId, version, versionKey, salt, contextBytes, plaintext });
  const versions = { [version]: versionKey.toString("hex") };
  return { kit, keyId, versions, context, plaintext, blob };
}

function opens(wrapped: Wrapped, comment: string): LocalWrapVector {
  const plaintext = wrapped.plaintext.toString("hex");
  return { ...given(wrapped, comment), plaintext, expect: "ok" };
}

function rejected(wrapped: Wrapped, comment: string): LocalWrapVector {
  return { ...given(wrapped, comment), expect: "rejected" };
}

function given(
  { keyId, versions, context, blob }: Wrapped,
  comment: string,
): Omit<LocalWrapVector, "plaintext" | "expect"> {
  const spec = "envelope-v1.md#local-wrap";
  return { spec, comment, keyId, versions, context, blob: blob.toString("hex") };
}

function altered(name: string, index: number, comment: string): LocalWrapVector {
  const wrapped = wrap(name);
  flip(wrapped.blob, index);
  return rejected(wrapped, comment);
}

function contextAt(name: string, context: Context, comment: string): LocalWrapVector {
  const wrapped = wrap(name);
  wrapped.context = context;
  return rejected(wrapped, comment);
}

export const localWrapCases: LocalWrapCases = {
  "data-key": (name) => opens(wrap(name), "a data key: 93 bytes"),
  "plaintext-1": (name) => opens(wrap(name, { length: 1 }), "one byte"),
  "plaintext-4096": (name) => opens(wrap(name, { length: 4096 }), "4096 bytes"),
  "context-none": (name) => opens(wrap(name, { context: {} }), "no context: the AAD is 00 00"),
  "context-unicode-order": (name) =>
    opens(wrap(name, { context: { "\u{1f600}": "1", "\uff5e": "2" } }), "sorted by bytes"),
  "context-reserved": (name) =>
    opens(wrap(name, { context: { "aws:s3:arn": "x" } }), "no prefix is reserved here"),
  "context-33-pairs": (name) => {
    const pairs = Array.from({ length: 33 }, (_, i) => [`key-${i}`, `${i}`] as const);
    return opens(wrap(name, { context: Object.fromEntries(pairs) }), "no limit of 31 pairs here");
  },
  "context-long-value": (name) =>
    opens(wrap(name, { context: { k: "v".repeat(5000) } }), "no limit of 1024 or 4096 bytes here"),
  "version-unsigned": (name) =>
    opens(wrap(name, { version: 2 ** 31 }), "version 2147483648: the number is unsigned"),
  "version-max": (name) => opens(wrap(name, { version: 2 ** 32 - 1 }), "version 4294967295"),
  "version-older": (name) => {
    const wrapped = wrap(name);
    wrapped.versions["2"] = wrapped.kit.bytes("version key 2", 32).toString("hex");
    return opens(wrapped, "version 1 of a key that has a version 2");
  },

  "version-unknown": (name) => {
    const wrapped = wrap(name, { version: 3 });
    wrapped.versions = { "1": wrapped.kit.bytes("version key", 32).toString("hex") };
    return rejected(wrapped, "version 3 of a key that has version 1; its key would even open it");
  },
  // Requirements: E45
  "version-of-another-key": (name) => {
    const wrapped = wrap(name);
    const other = wrapped.kit.bytes("version key 2", 32).toString("hex");
    wrapped.versions = { "1": other, "2": wrapped.versions["1"] ?? other };
    return rejected(
      wrapped,
      "version 2 would open it, the blob says 1: versions are not tried in turn",
    );
  },
  "version-altered": (name) => {
    const wrapped = wrap(name);
    const key = wrapped.versions["1"] ?? "";
    wrapped.versions = { "1": key, "2": key };
    wrapped.blob.writeUInt32BE(2, 17);
    return rejected(wrapped, "says version 2, which has the same key: the header is bound");
  },
  "format-0": (name) => rejected(wrap(name, { format: 0 }), "first byte 00, properly sealed"),
  "format-2": (name) => rejected(wrap(name, { format: 2 }), "first byte 02, properly sealed"),
  "uuid-of-another-key": (name) => {
    const wrapped = wrap(name);
    const keyId = uuid("another key");
    return rejected({ ...wrapped, keyId }, "made by another key; the version key would open it");
  },
  "flipped-uuid": (name) => altered(name, 1, "one bit of the UUID"),
  "flipped-salt": (name) => altered(name, 21, "one bit of the salt"),
  "flipped-ciphertext": (name) => altered(name, 45, "one bit of the ciphertext"),
  "flipped-tag": (name) => altered(name, -1, "one bit of the tag"),
  "wrong-version-key": (name) => {
    const wrapped = wrap(name);
    wrapped.versions = { "1": wrapped.kit.bytes("another key", 32).toString("hex") };
    return rejected(wrapped, "another version key");
  },
  "context-wrong": (name) =>
    contextAt(name, { "env:format": "1", tenant: "umbrella" }, "another value in the context"),
  "context-missing": (name) => contextAt(name, {}, "no context where one was bound"),
  "context-without-format-pair": (name) =>
    contextAt(name, { tenant: "acme" }, "the context without env:format"),
  "context-more-pairs": (name) =>
    contextAt(name, { "env:format": "1", tenant: "acme", x: "" }, "a pair too many"),

  empty: (name) => rejected({ ...wrap(name), blob: Buffer.alloc(0) }, "no bytes"),
  "cut-in-header": (name) => {
    const wrapped = wrap(name);
    return rejected({ ...wrapped, blob: wrapped.blob.subarray(0, 44) }, "44 bytes");
  },
  "cut-in-tag": (name) => {
    const wrapped = wrap(name);
    const blob = wrapped.blob.subarray(0, 45 + 15);
    return rejected({ ...wrapped, blob }, "60 bytes: no room for a tag");
  },
  "cut-last-byte": (name) => {
    const wrapped = wrap(name);
    return rejected({ ...wrapped, blob: wrapped.blob.subarray(0, -1) }, "the last byte is missing");
  },
  extended: (name) => {
    const wrapped = wrap(name);
    return rejected({ ...wrapped, blob: cat(wrapped.blob, [0]) }, "a byte after the tag");
  },
  "plaintext-0": (name) =>
    rejected(wrap(name, { length: 0 }), "an empty plaintext, properly sealed"),
  "plaintext-4097": (name) => rejected(wrap(name, { length: 4097 }), "4097 bytes, properly sealed"),
};

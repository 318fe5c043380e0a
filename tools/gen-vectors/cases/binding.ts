/** What the payload is bound to beyond its own bytes: aad, data key, and the right wrapped copy. */

import {
  encodeContext,
  entry,
  keyBlockBody,
  localWrap,
  encodeKmsContext,
  prefixed,
} from "../format.ts";
import { flip, type EnvelopeCases, type Kit, type Sealed } from "../testkit.ts";

const DECRYPT = "ERR_ENVELOPE_DECRYPT";

function aad(kit: Kit): Sealed {
  return kit.seal({ aad: Buffer.from("row 42") });
}

/** One local CMK that wraps anything for anyone, as the holder of its key can. */
function localKey(kit: Kit): {
  keyId: string;
  versionKey: Buffer;
  wrap: (input: WrapInput) => Buffer;
} {
  const { keyId } = kit.local().cmk;
  const versionKey = kit.bytes("local version 1", 32);
  const wrap = ({ salt, context, plaintext, version = 1, key = versionKey }: WrapInput): Buffer => {
    const contextBytes = encodeKmsContext(context ?? {});
    const input = {
      keyId,
      version,
      versionKey: key,
      salt: kit.bytes(salt, 24),
      contextBytes,
      plaintext,
    };
    return entry("local-file", keyId, localWrap(input).blob);
  };
  return { keyId, versionKey, wrap };
}

interface WrapInput {
  readonly salt: string;
  readonly plaintext: Buffer;
  readonly context?: Readonly<Record<string, string>>;
  readonly version?: number;
  readonly key?: Buffer;
}

function rewritten(kit: Kit, plaintext: Buffer): Sealed {
  const sealed = kit.seal();
  sealed.keyBlock = prefixed(keyBlockBody([localKey(kit).wrap({ salt: "attacker", plaintext })]));
  return sealed;
}

export const binding: EnvelopeCases = {
  "aad-present": (kit) => aad(kit).opens({ spec: "aad", comment: "six bytes of aad" }),
  // Requirements: E14
  "aad-record": (kit) =>
    kit
      .seal({ aad: encodeContext({ table: "cards", column: "pan", id: "42" }) })
      .opens({ spec: "aad", comment: "aad is the map encoding of a record" }),
  "aad-long": (kit) =>
    kit.seal({ aad: kit.bytes("aad", 5000) }).opens({ spec: "aad", comment: "5000 bytes of aad" }),
  "aad-missing": (kit) => {
    const sealed = aad(kit);
    sealed.aad = Buffer.alloc(0);
    return sealed.refused(DECRYPT, { spec: "aad", calls: 1, comment: "the reader passes none" });
  },
  "aad-wrong": (kit) => {
    const sealed = aad(kit);
    sealed.aad = Buffer.from("row 43");
    return sealed.refused(DECRYPT, { spec: "aad", calls: 1, comment: "aad of another row" });
  },
  "aad-unexpected": (kit) => {
    const sealed = kit.seal();
    sealed.aad = Buffer.from("row 42");
    return sealed.refused(DECRYPT, { spec: "aad", calls: 1, comment: "aad where none was bound" });
  },
  "aad-for-context": (kit) => {
    const context = { tenant: "acme" };
    const sealed = kit.seal({ context, keys: [kit.table()] });
    sealed.context = {};
    sealed.aad = encodeContext(context);
    const comment = "the context's bytes passed as aad: the two hashes carry different labels";
    return sealed.refused(DECRYPT, { spec: "key-derivation", calls: 1, comment });
  },

  "key-wrong-version-key": (kit) => {
    const sealed = kit.seal();
    const { keyId } = kit.local().cmk;
    const versions = { "1": kit.bytes("another key", 32).toString("hex") };
    sealed.cmks = [{ provider: "local-file", keyId, versions }];
    const comment = "the CMK has the right id and another key";
    return sealed.refused(DECRYPT, { spec: "decrypting", calls: 1, comment });
  },
  "key-unknown-version": (kit) => {
    const sealed = kit.seal();
    const { keyId, versionKey } = localKey(kit);
    sealed.cmks = [
      { provider: "local-file", keyId, versions: { "2": versionKey.toString("hex") } },
    ];
    const comment = "the blob names version 1, the CMK has version 2 only";
    return sealed.refused(DECRYPT, { spec: "local-wrap", calls: 1, comment });
  },
  "key-old-version": (kit) => {
    const sealed = kit.seal();
    const { keyId, versionKey } = localKey(kit);
    const newer = kit.bytes("local version 2", 32);
    const versions = { "1": versionKey.toString("hex"), "2": newer.toString("hex") };
    sealed.cmks = [{ provider: "local-file", keyId, versions }];
    return sealed.opens({ spec: "local-wrap", comment: "wrapped before the CMK was rotated" });
  },
  "key-wrapped-bit-flipped": (kit) => {
    const sealed = kit.seal();
    flip(sealed.keyBlock, -1);
    const comment = "one bit of the wrapped key: the KMS refuses it";
    return sealed.refused(DECRYPT, { spec: "key-block", calls: 1, comment });
  },
  "key-unknown-wrapped": (kit) => {
    const sealed = kit.seal({ keys: [kit.table()] });
    flip(sealed.keyBlock, -1);
    const comment = "the KMS has never seen this wrapped key";
    return sealed.refused(DECRYPT, { spec: "decrypting", calls: 1, comment });
  },
  "key-swapped-entry": (kit) => {
    const sealed = rewritten(kit, kit.bytes("attacker's data key", 32));
    const comment = "the entry wraps another data key, properly: the commitment refuses it";
    return sealed.refused(DECRYPT, { spec: "binding", calls: 1, comment });
  },
  // Requirements: E15
  "key-31-bytes": (kit) =>
    rewritten(kit, kit.dataKey.subarray(0, 31)).refused(DECRYPT, {
      spec: "key-derivation",
      calls: 1,
      comment: "the entry wraps a data key of 31 bytes",
    }),
  // Requirements: E15
  "key-33-bytes": (kit) =>
    rewritten(kit, Buffer.concat([kit.dataKey, Buffer.alloc(1)])).refused(DECRYPT, {
      spec: "key-derivation",
      calls: 1,
      comment: "the entry wraps the data key and one byte more",
    }),
  "key-without-format-pair": (kit) => {
    const sealed = kit.seal();
    const { keyId, versionKey } = localKey(kit);
    const contextBytes = encodeContext({});
    const salt = kit.bytes("local salt", 24);
    const input = { keyId, version: 1, versionKey, salt, contextBytes, plaintext: kit.dataKey };
    sealed.keyBlock = prefixed(keyBlockBody([entry("local-file", keyId, localWrap(input).blob)]));
    const comment = "wrapped without env:format, as another application of the CMK would";
    return sealed.refused(DECRYPT, { spec: "context", calls: 1, comment });
  },
  rewrapped: (kit) => {
    const sealed = kit.seal();
    const { keyId, versionKey, wrap } = localKey(kit);
    const newer = kit.bytes("local version 2", 32);
    const again = wrap({ salt: "rewrap", plaintext: kit.dataKey, version: 2, key: newer });
    sealed.keyBlock = prefixed(keyBlockBody([again, kit.table("added").entry], 64));
    const versions = { "1": versionKey.toString("hex"), "2": newer.toString("hex") };
    sealed.cmks = [{ provider: "local-file", keyId, versions }];
    const comment =
      "rewrapped under version 2, an entry and padding added: the payload is the same";
    return sealed.opens({ spec: "rewrap", comment });
  },
  "rewrapped-into-another-context": (kit) => {
    const context = { tenant: "acme" };
    const stolen = { tenant: "umbrella" };
    const sealed = kit.seal({ context, store: true, keys: [kit.local(context)] });
    const wrapped = localKey(kit).wrap({
      salt: "re-encrypt",
      context: stolen,
      plaintext: kit.dataKey,
    });
    sealed.keyBlock = prefixed(keyBlockBody([wrapped]));
    sealed.stored = prefixed(encodeContext(stolen));
    sealed.context = stolen;
    const comment =
      "the KMS was made to change the encryption context; the payload still says acme";
    return sealed.refused(DECRYPT, { spec: "security", calls: 1, comment });
  },
};

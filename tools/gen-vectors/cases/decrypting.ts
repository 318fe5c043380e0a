/** The order of decrypting: which check comes first, which CMK is asked, which failure is reported. */

import { cat } from "../format.ts";
import { type EnvelopeCases, type EnvelopeVector, type Kit, type Wrapped } from "../testkit.ts";

const spec = "decrypting";
const UNAVAILABLE = "ERR_ENVELOPE_KMS_UNAVAILABLE";
const THROTTLED = "ERR_ENVELOPE_KMS_THROTTLED";
const DENIED = "ERR_ENVELOPE_KMS_ACCESS_DENIED";
const UNNAMED = "ERR_ENVELOPE_KMS_ERROR";
const REJECTED = "ERR_ENVELOPE_KMS_REJECTED";
const NOT_FOUND = "ERR_ENVELOPE_KMS_KEY_NOT_FOUND";
const KEY_STATE = "ERR_ENVELOPE_KMS_KEY_STATE";
const UNUSABLE = "ERR_ENVELOPE_KEY_UNUSABLE";
const DECRYPT = "ERR_ENVELOPE_DECRYPT";

/** Every attempt fails, each in its own way. */
function attempts(
  kit: Kit,
  failures: readonly string[],
  code: string,
  comment: string,
  more: readonly Wrapped[] = [],
): EnvelopeVector {
  const keys = [...failures.map((failure, i) => kit.failing(`k${i}`, failure)), ...more];
  return kit.seal({ keys }).refused(code, { spec, calls: keys.length, comment });
}

/** An entry that unwraps to a wrong data key of the given length. */
function wrongKey(kit: Kit, length = 32): Wrapped {
  return kit.table("wrong", kit.bytes("wrong data key", length));
}

export const decrypting: EnvelopeCases = {
  "order-reader-first": (kit) => {
    const failing = kit.failing("down", UNAVAILABLE);
    const sealed = kit.seal({ keys: [failing, kit.local()] });
    sealed.cmks = [kit.local().cmk, failing.cmk];
    const comment = "the reader's order counts, not the message's: one call";
    return sealed.opens({ spec, comment });
  },
  "order-second-opens": (kit) => {
    const sealed = kit.seal({ keys: [kit.failing("down", UNAVAILABLE), kit.local()] });
    return sealed.opens({ spec, calls: 2, comment: "the first CMK is down, the second opens" });
  },
  "order-denied-then-opens": (kit) => {
    const sealed = kit.seal({ keys: [kit.failing("denied", DENIED), kit.table("other")] });
    return sealed.opens({ spec, calls: 2, comment: "the first CMK denies, the second opens" });
  },
  // Requirements: E19
  "order-mismatch-then-opens": (kit) => {
    const sealed = kit.seal({ keys: [wrongKey(kit), kit.local()] });
    const comment = "the first data key does not fit the commitment, the second does";
    return sealed.opens({ spec, calls: 2, comment });
  },
  // Requirements: E15
  "order-wrong-length-then-opens": (kit) => {
    const sealed = kit.seal({ keys: [wrongKey(kit, 16), kit.local()] });
    return sealed.opens({
      spec,
      calls: 2,
      comment: "16 bytes are not a data key; the next candidate",
    });
  },
  "order-cmk-without-entry": (kit) => {
    const sealed = kit.seal();
    sealed.cmks = [kit.failing("unnamed", UNAVAILABLE).cmk, ...sealed.cmks];
    const comment = "a CMK that no entry names is not called";
    return sealed.opens({ spec, comment });
  },

  "no-key": (kit) => {
    const sealed = kit.seal();
    sealed.cmks = [kit.table("another").cmk];
    return sealed.refused("ERR_ENVELOPE_NO_KEY", {
      spec,
      comment: "no entry names the reader's CMK",
    });
  },
  "no-key-other-provider": (kit) => {
    const sealed = kit.seal({ keys: [kit.table()] });
    sealed.cmks = [kit.table("k", kit.dataKey, "y.test").cmk];
    return sealed.refused("ERR_ENVELOPE_NO_KEY", { spec, comment: "right key id, other provider" });
  },

  "attempts-rejected": (kit) => attempts(kit, [REJECTED], DECRYPT, "the only attempt is rejected"),
  "attempts-key-not-found": (kit) =>
    attempts(kit, [NOT_FOUND], UNUSABLE, "the KMS does not know the key"),
  "attempts-key-state": (kit) =>
    attempts(kit, [KEY_STATE], UNUSABLE, "the key is disabled or being deleted"),
  "attempts-throttled": (kit) =>
    attempts(kit, [THROTTLED], UNAVAILABLE, "throttling is transient: reported as unavailable"),
  "attempts-unavailable": (kit) => attempts(kit, [UNAVAILABLE], UNAVAILABLE, "the KMS is down"),
  "attempts-denied": (kit) => attempts(kit, [DENIED], DENIED, "the KMS denies access"),
  "attempts-unnamed": (kit) =>
    attempts(kit, [UNNAMED], UNNAMED, "a failure the driver has no name for"),
  "attempts-transient-over-all": (kit) => {
    const failures = [REJECTED, DENIED, UNNAMED, THROTTLED];
    return attempts(kit, failures, UNAVAILABLE, "one transient failure among all kinds, last");
  },
  "attempts-transient-first": (kit) =>
    attempts(kit, [UNAVAILABLE, DENIED], UNAVAILABLE, "a transient failure, then a denial"),
  "attempts-denied-over-unnamed": (kit) =>
    attempts(kit, [UNNAMED, DENIED, REJECTED], DENIED, "a denial outranks an unnamed failure"),
  "attempts-unnamed-over-rejected": (kit) =>
    attempts(kit, [REJECTED, UNNAMED], UNNAMED, "an unnamed failure outranks a rejection"),
  "attempts-mismatch-and-transient": (kit) =>
    attempts(
      kit,
      [THROTTLED],
      UNAVAILABLE,
      "a wrong data key, and a CMK that might have the right one",
      [wrongKey(kit)],
    ),
  "attempts-mismatch-and-denied": (kit) =>
    attempts(kit, [DENIED], DENIED, "a denial outranks a wrong data key", [wrongKey(kit)]),
  "attempts-wrong-length": (kit) =>
    attempts(kit, [], DECRYPT, "the unwrapped key has 16 bytes", [wrongKey(kit, 16)]),
  "attempts-mismatch": (kit) =>
    attempts(kit, [], DECRYPT, "the unwrapped key does not fit the commitment", [wrongKey(kit)]),
  "attempts-unusable-over-rejected": (kit) =>
    attempts(kit, [REJECTED, KEY_STATE], UNUSABLE, "a disabled key outranks a rejection"),
  "attempts-unusable-not-found-first": (kit) =>
    attempts(kit, [NOT_FOUND, REJECTED], UNUSABLE, "a key that is gone, then a rejection"),
  "attempts-unusable-over-mismatch": (kit) =>
    attempts(kit, [KEY_STATE], UNUSABLE, "a disabled key outranks a wrong data key", [
      wrongKey(kit),
    ]),
  "attempts-transient-over-unusable": (kit) =>
    attempts(kit, [KEY_STATE, THROTTLED], UNAVAILABLE, "a disabled key, and a KMS to try again"),
  "attempts-denied-over-unusable": (kit) =>
    attempts(kit, [NOT_FOUND, DENIED], DENIED, "a denial outranks a key that is gone"),
  "attempts-unnamed-over-unusable": (kit) =>
    attempts(kit, [KEY_STATE, UNNAMED], UNNAMED, "an unnamed failure outranks a disabled key"),
  "attempts-unnamed-cmk-not-counted": (kit) => {
    const sealed = kit.seal({ keys: [wrongKey(kit)] });
    sealed.cmks = [kit.failing("unnamed", UNAVAILABLE).cmk, ...sealed.cmks];
    const comment = "only attempts count: the CMK that is down was never a candidate";
    return sealed.refused(DECRYPT, { spec, calls: 1, comment });
  },

  "precedence-format-over-context": (kit) => {
    const sealed = kit.seal({ context: { tenant: "acme" }, store: true });
    sealed.context = { tenant: "umbrella" };
    sealed.keyBlock.writeUInt8(0, 2);
    const comment = "a malformed key block and a wrong context: the header is parsed first";
    return sealed.refused("ERR_ENVELOPE_FORMAT", { spec, comment });
  },
  "precedence-context-over-truncated": (kit) => {
    const sealed = kit.seal({ context: { tenant: "acme" }, store: true });
    sealed.context = { tenant: "umbrella" };
    const comment = "a wrong context and no payload: the context is compared first";
    return sealed.refused(DECRYPT, { spec, comment }, sealed.header);
  },
  "precedence-context-over-no-key": (kit) => {
    const sealed = kit.seal({ context: { tenant: "acme" }, store: true });
    sealed.context = { tenant: "umbrella" };
    sealed.cmks = [kit.table("another").cmk];
    const comment = "a wrong context and no candidate: the context is compared first";
    return sealed.refused(DECRYPT, { spec, comment });
  },
  "precedence-truncated-over-no-key": (kit) => {
    const sealed = kit.seal();
    sealed.cmks = [kit.table("another").cmk];
    const comment = "an impossible length and no candidate: a stream learns of the length last";
    const message = cat(sealed.header, sealed.payload.subarray(0, 71));
    const verdict = { spec, stream: "ERR_ENVELOPE_NO_KEY", comment };
    return sealed.refused("ERR_ENVELOPE_TRUNCATED", verdict, message);
  },
  "precedence-truncated-over-kms": (kit) => {
    const sealed = kit.seal({ keys: [kit.failing("down", UNAVAILABLE)] });
    const comment = "56 bytes of payload and a KMS that is down: no call where the length is known";
    const message = cat(sealed.header, sealed.payload.subarray(0, 56));
    const verdict = { spec, stream: UNAVAILABLE, comment };
    return sealed.refused("ERR_ENVELOPE_TRUNCATED", verdict, message);
  },
  "precedence-truncated-over-commitment": (kit) => {
    const sealed = kit.seal();
    sealed.aad = Buffer.from("wrong");
    const comment = "an impossible length and a wrong aad";
    const message = cat(sealed.header, sealed.payload.subarray(0, 71));
    return sealed.refused("ERR_ENVELOPE_TRUNCATED", { spec, stream: DECRYPT, comment }, message);
  },
  "precedence-short-payload-over-no-key": (kit) => {
    const sealed = kit.seal();
    sealed.cmks = [kit.table("another").cmk];
    const comment = "55 bytes of payload and no candidate: a stream has waited for 56";
    const message = cat(sealed.header, sealed.payload.subarray(0, 55));
    return sealed.refused("ERR_ENVELOPE_TRUNCATED", { spec, comment }, message);
  },
};

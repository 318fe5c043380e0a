/** Key blocks that live apart from their message. */

import { cat, u16 } from "../format.ts";
import { flip, type EnvelopeCases, type Kit, type Sealed } from "../testkit.ts";

const spec = "detached-key-block";
const FORMAT = "ERR_ENVELOPE_FORMAT";
const TRUNCATED = "ERR_ENVELOPE_TRUNCATED";

function detached(kit: Kit): Sealed {
  const sealed = kit.seal();
  sealed.passedBlock = sealed.keyBlock;
  sealed.keyBlock = u16(0);
  return sealed;
}

export const detachedKeyBlock: EnvelopeCases = {
  detached: (kit) => detached(kit).opens({ spec, comment: "key block passed by the caller" }),
  "detached-stored-context": (kit) => {
    const context = { tenant: "acme" };
    const sealed = kit.seal({ context, store: true, keys: [kit.local(context)] });
    sealed.passedBlock = sealed.keyBlock;
    sealed.keyBlock = u16(0);
    sealed.trustHeader({ tenant: "acme" });
    return sealed.opens({ spec, comment: "the stored context stays with the payload" });
  },
  "detached-padded": (kit) => {
    const sealed = detached(kit);
    const padded = cat(kit.seal().keyBlock, Buffer.alloc(16));
    padded.writeUInt16BE(padded.length - 2);
    sealed.passedBlock = padded;
    return sealed.opens({ spec, comment: "padding inside the passed block" });
  },
  "detached-not-passed": (kit) => {
    const sealed = detached(kit);
    sealed.passedBlock = undefined;
    return sealed.refused("ERR_ENVELOPE_NO_KEY", { spec, comment: "no key block anywhere" });
  },
  "detached-not-passed-truncated": (kit) => {
    const sealed = detached(kit);
    sealed.passedBlock = undefined;
    const comment = "no key block, and 71 bytes of payload: only a stream looks for a key first";
    const message = cat(sealed.header, sealed.payload.subarray(0, 71));
    const verdict = { spec: "decrypting", stream: "ERR_ENVELOPE_NO_KEY", comment };
    return sealed.refused(TRUNCATED, verdict, message);
  },
  "detached-both": (kit) => {
    const sealed = kit.seal();
    sealed.passedBlock = sealed.keyBlock;
    return sealed.refused(FORMAT, {
      spec,
      comment: "a block passed, and the same one in the message",
    });
  },
  "detached-trailing-byte": (kit) => {
    const sealed = detached(kit);
    sealed.passedBlock = cat(kit.seal().keyBlock, [0]);
    return sealed.refused(FORMAT, { spec, comment: "a byte after the passed block" });
  },
  "detached-cut": (kit) => {
    const sealed = detached(kit);
    sealed.passedBlock = kit.seal().keyBlock.subarray(0, -1);
    return sealed.refused(TRUNCATED, { spec, comment: "the passed block lacks a byte" });
  },
  "detached-length-0": (kit) => {
    const sealed = detached(kit);
    sealed.passedBlock = u16(0);
    return sealed.refused(FORMAT, { spec, comment: "the passed block is itself a detached one" });
  },
  "detached-no-bytes": (kit) => {
    const sealed = detached(kit);
    sealed.passedBlock = Buffer.alloc(0);
    return sealed.refused(TRUNCATED, { spec, comment: "the passed block has no bytes" });
  },
  "detached-without-length": (kit) => {
    const sealed = detached(kit);
    sealed.passedBlock = kit.seal().keyBlock.subarray(2);
    return sealed.refused(TRUNCATED, {
      spec,
      comment:
        "the body alone: its first two bytes, taken for a length, promise more than is there",
    });
  },
  "detached-malformed": (kit) => {
    const sealed = detached(kit);
    const block = Buffer.from(kit.seal().keyBlock);
    flip(block, 2, 1);
    sealed.passedBlock = block;
    return sealed.refused(FORMAT, { spec, comment: "the passed block claims three entries" });
  },
};

/**
 * A driver for a KMS of your own, and the suite that shows whether it keeps the contract. The service
 * here is two keys in this process; a real driver calls an SDK in the same places.
 *
 * @module
 */
import { createCipheriv, createDecipheriv, generateKeySync, randomBytes } from "node:crypto";
import { inspect } from "node:util";
import { cmkCases } from "@env/conformance";
import type { CmkDriver } from "@env/core/driver";

const aes256 = () => generateKeySync("aes", { length: 256 });
const keys = new Map([aes256(), aes256()].map((key, index) => [`key/${index}`, key]));

function find(id: string) {
  const key = keys.get(id);
  if (key === undefined) throw new Error("there is no such key", { cause: "NotFound" });
  return key;
}

const driver = (keyId: string): CmkDriver => ({
  provider: "com.example.keys",
  keyId,
  async wrap({ plaintext, context }) {
    const nonce = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", find(keyId), nonce).setAAD(context.bytes);
    const sealed = [nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()];
    return { wrapped: new Uint8Array(Buffer.concat(sealed)), keyId };
  },
  async unwrap(request) {
    const key = find(request.keyId);
    const [nonce, tag] = [request.wrapped.subarray(0, 12), request.wrapped.subarray(-16)];
    try {
      const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: 16 });
      decipher.setAAD(request.context.bytes).setAuthTag(tag);
      const opened = [decipher.update(request.wrapped.subarray(12, -16)), decipher.final()];
      return { plaintext: new Uint8Array(Buffer.concat(opened)) };
    } catch {
      throw new Error("the wrapped key was refused", { cause: "Refused" });
    }
  },
  classify(error) {
    const cause = error instanceof Error ? error.cause : undefined;
    if (cause === "NotFound") return "ERR_ENVELOPE_KMS_KEY_NOT_FOUND";
    return cause === "Refused" ? "ERR_ENVELOPE_KMS_REJECTED" : "ERR_ENVELOPE_KMS_ERROR";
  },
});

const unable = ["alias", "rotate", "disable", "deny", "unreachable", "throttle"];
const cases = cmkCases({
  open: () => ({ first: driver("key/0"), second: driver("key/1"), missing: driver("key/none") }),
  inspect: (value) => inspect(value, { depth: 10, showHidden: true }),
  skips: Object.fromEntries(unable.map((ability) => [ability, "Two keys in memory cannot."])),
});
const run = cases.filter(({ skip }) => skip === undefined);
for (const each of run) await each.run();
console.log(`${run.length} of ${cases.length} cases passed, ${cases.length - run.length} skipped`);

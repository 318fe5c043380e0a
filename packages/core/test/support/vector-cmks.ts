/** The CMKs of a test vector (spec/vectors/README.md), as this package's own tests need them. */
import { createDecipheriv, createHmac } from "node:crypto";
import { Cmk, encodeEncryptionContext, type Context } from "@env/core";
import type { KmsFailureCode } from "@env/core/driver";

export type VectorCmk = { readonly provider: string; readonly keyId: string } & (
  | { readonly versions: Readonly<Record<string, string>> }
  | { readonly unwraps: readonly { readonly wrapped: string; readonly dataKey: string }[] }
  | { readonly fails: KmsFailureCode }
);

/** Counts the unwraps of all CMKs of one vector. */
export interface Calls {
  count: number;
}

export function vectorCmk(vector: VectorCmk, calls: Calls): Cmk {
  return new Cmk({
    provider: vector.provider,
    keyId: vector.keyId,
    wrap: () => Promise.reject(new Error("readers do not wrap")),
    async unwrap({ wrapped, context }) {
      calls.count++;
      return { plaintext: unwrap(vector, wrapped, context.map) };
    },
    classify: () => ("fails" in vector ? vector.fails : "ERR_ENVELOPE_KMS_REJECTED"),
  });
}

function unwrap(vector: VectorCmk, wrapped: Uint8Array, map: Context): Uint8Array<ArrayBuffer> {
  if ("fails" in vector) throw new Error("fails as told");
  if ("versions" in vector) return openBlob(vector.keyId, vector.versions, wrapped, map);
  const found = vector.unwraps.find((row) => row.wrapped === Buffer.from(wrapped).toString("hex"));
  if (found === undefined) throw new Error("not in the table");
  return new Uint8Array(Buffer.from(found.dataKey, "hex"));
}

/** Source: spec/envelope-v1.md#local-wrap */
function openBlob(
  keyId: string,
  versions: Readonly<Record<string, string>>,
  blob: Uint8Array,
  map: Context,
): Uint8Array<ArrayBuffer> {
  const header = Buffer.from(blob.subarray(0, 45));
  const version = versions[String(header.readUInt32BE(17))];
  const uuid = keyId.replaceAll("-", "");
  if (header[0] !== 1 || header.toString("hex", 1, 17) !== uuid || version === undefined) {
    throw new Error("another key");
  }
  const info = Buffer.concat([Buffer.from("env/1/localwrap\0"), header, Buffer.of(1)]);
  const key = createHmac("sha512", Buffer.from(version, "hex"))
    .update(info)
    .digest()
    .subarray(0, 32);
  const decipher = createDecipheriv("aes-256-gcm", key, Buffer.alloc(12), { authTagLength: 16 });
  decipher.setAAD(encodeEncryptionContext(map)).setAuthTag(blob.subarray(-16));
  const body = decipher.update(blob.subarray(45, -16));
  return new Uint8Array(Buffer.concat([body, decipher.final()]));
}

/**
 * The worked example of the specification: one message, and every value on the way to it.
 *
 * It is also a vector of its own, so the bytes in the prose are the bytes readers are tested with.
 *
 * @module
 */

import {
  cat,
  chunkNonce,
  encodeContext,
  encodeKmsContext,
  entry,
  keyBlockBody,
  localWrap,
} from "./format.ts";
import { Kit, uuid, type EnvelopeCases, type Sealed } from "./testkit.ts";

const name = "worked-example";
const context = { purpose: "orders", tenant: "acme" };
const aad = Buffer.from("row 42");
const plaintext = Buffer.from("attack at dawn\n");

function sealed(): {
  message: Sealed;
  local: ReturnType<typeof localWrap>;
  keyId: string;
  kit: Kit;
} {
  const kit = new Kit(name);
  const keyId = uuid(`${name}: local`);
  const local = localWrap({
    keyId,
    version: 1,
    versionKey: kit.bytes("local version 1", 32),
    salt: kit.bytes("local salt", 24),
    contextBytes: encodeKmsContext(context),
    plaintext: kit.dataKey,
  });
  const message = kit.seal({ context, store: true, aad, plaintext, keys: [kit.local(context)] });
  return { message, local, keyId, kit };
}

export const example: EnvelopeCases = {
  [name]: () =>
    sealed().message.opens({ spec: "worked-example", comment: "the example of the specification" }),
};

/** Markdown: sections of named hex values, 32 bytes to a line. */
export function workedExample(): string {
  const { message, local, keyId, kit } = sealed();
  const { derived } = message;
  const keyEntry = entry("local-file", keyId, local.blob);
  return [
    "What the writer starts from:",
    values({
      context: `${JSON.stringify(context)}, stored`,
      aad: JSON.stringify(aad.toString()),
      plaintext: JSON.stringify(plaintext.toString()),
      "CMK provider": '"local-file"',
      "CMK keyId": `"${keyId}"`,
      versionKey: kit.bytes("local version 1", 32),
      dataKey: kit.dataKey,
    }),
    "The context, and what the KMS is given:",
    values({
      contextBytes: encodeContext(context),
      kmsContextBytes: encodeKmsContext(context),
    }),
    "The data key, wrapped by version 1 of the local CMK:",
    values({
      "wrap salt": kit.bytes("local salt", 24),
      "blob header": local.header,
      wk: local.wrapKey,
      blob: local.blob,
    }),
    "The header:",
    values({
      preamble: message.preamble,
      storedContext: message.stored,
      entry: keyEntry,
      "keyBlock body": keyBlockBody([keyEntry]),
      keyBlock: message.keyBlock,
      header: message.header,
    }),
    "The keys of the payload:",
    values({
      contextHash: derived.contextHash,
      aadHash: derived.aadHash,
      "cobblestone context": derived.cobblestoneContext,
      salt: message.salt,
      info: derived.info,
      "HKDF output": cat(derived.key, derived.baseNonce, derived.commitment),
      key: derived.key,
      "base nonce": derived.baseNonce,
      commitment: derived.commitment,
    }),
    "The payload, which is one chunk, and the whole message:",
    values({
      "nonce 0": chunkNonce(derived.baseNonce, 0),
      "plaintext 0": message.plaintext,
      "chunk 0": cat(...message.chunks),
      payload: message.payload,
      message: message.message,
      "text form": `env1.${message.message.toString("base64url")}`,
    }),
  ].join("\n");
}

function values(rows: Readonly<Record<string, Buffer | string>>): string {
  const lines = Object.entries(rows).map(([label, value]) => {
    const text = typeof value === "string" ? value : value.toString("hex");
    const size = typeof value === "string" ? "" : ` (${value.length} bytes)`;
    if (text.length <= 64) return `${label}${size} = ${text}`;
    return `${label}${size} =\n${text.replaceAll(/.{1,64}/g, "  $&\n").trimEnd()}`;
  });
  return `\n\`\`\`text\n${lines.join("\n")}\n\`\`\`\n`;
}

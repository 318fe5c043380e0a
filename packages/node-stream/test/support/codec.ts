/** Codecs for tests, each with keys of its own. */
import { cryptoBackend } from "@env/core/crypto";
import { PayloadCodec } from "@env/core/message";

export async function newCodec(): Promise<PayloadCodec> {
  const backend = cryptoBackend();
  const dataKey = await backend.hmacKey(backend.random(32));
  return new PayloadCodec((await backend.messageKeys(dataKey, backend.random(100))).keys);
}

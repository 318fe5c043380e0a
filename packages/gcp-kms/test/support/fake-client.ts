/** A client of which a test says what it answers. What it does not say must not be called. */
import type { GcpKmsClient } from "../../src/client.ts";

export function fakeClient(answers: Partial<GcpKmsClient>): GcpKmsClient {
  const unexpected = (name: string) => (): Promise<never> =>
    Promise.reject(new Error(`${name} was not expected`));
  return {
    encrypt: unexpected("encrypt"),
    decrypt: unexpected("decrypt"),
    getCryptoKey: unexpected("getCryptoKey"),
    ...answers,
  };
}

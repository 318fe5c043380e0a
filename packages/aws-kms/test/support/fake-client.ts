/** A client of which a test says what it answers. What it does not say must not be called. */
import type { AwsKmsClient } from "../../src/client.ts";

export function fakeClient(answers: Partial<AwsKmsClient>): AwsKmsClient {
  const unexpected = (name: string) => (): Promise<never> =>
    Promise.reject(new Error(`${name} was not expected`));
  return {
    generateDataKey: unexpected("generateDataKey"),
    encrypt: unexpected("encrypt"),
    decrypt: unexpected("decrypt"),
    reEncrypt: unexpected("reEncrypt"),
    describeKey: unexpected("describeKey"),
    ...answers,
  };
}

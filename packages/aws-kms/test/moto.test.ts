/** The real SDK against moto, an independent implementation of AWS KMS. */
import { inspect } from "node:util";
import type { KMS } from "@aws-sdk/client-kms";
import { cmkCases, type CmkHarness } from "@env/conformance";
import type { CmkDriver } from "@env/core/driver";
import { sdk } from "../../kms-server/test/support/server.ts";
import { startMoto } from "@env/testkit/moto";
import { afterAll, describe, it } from "vitest";
import { awsKmsDriver, type AwsKmsClient } from "../src/index.ts";

const moto = await startMoto();
const absent = typeof moto === "string" ? moto : undefined;
if (absent !== undefined) console.log(`not run against moto: ${absent}`);

afterAll(async () => {
  if (typeof moto !== "string") await moto.stop();
});

async function newKey(client: KMS): Promise<string> {
  const { KeyMetadata } = await client.createKey({});
  return KeyMetadata?.Arn ?? "";
}

/** Shared by the cases: moto generates a pair of RSA for every key, and a rotation changes nothing in it. */
let keys: Promise<readonly [first: string, second: string]> | undefined;

const boundary = "moto joins the pairs of a context without a mark between them";
let aliases = 0;

const harness: CmkHarness = {
  async open() {
    const client = sdk(typeof moto === "string" ? "" : moto.url, { region: "eu-west-1" });
    const driver = (key: string): CmkDriver => awsKmsDriver({ client: outspoken(client), key });
    keys ??= Promise.all([newKey(client), newKey(client)]);
    const [first, second] = await keys;
    const AliasName = `alias/first-${aliases++}`;
    await client.createAlias({ AliasName, TargetKeyId: first });
    return {
      first: driver(first),
      second: driver(second),
      missing: driver(first.replace(/[^/]*$/, "00000000-0000-4000-8000-000000000000")),
      alias: driver(AliasName),
      rotate: async () => void (await client.rotateKeyOnDemand({ KeyId: first })),
      close: () => client.destroy(),
    };
  },
  inspect: (value) => inspect(value, { depth: 10, showHidden: true }),
  skips: {
    disable: "moto lets disabled keys work",
    deny: "moto asks no policies",
    throttle: "moto has no quotas",
    D12: "moto does what a dry run asks, and wants a ciphertext for it",
    unreachable: "conformance.test.ts has it; moto is shared by the cases",
    "D3 unwrap refuses a moved boundary of key and value": boundary,
    "D3 unwrap refuses a moved boundary of two pairs": boundary,
  },
};

/**
 * moto's errors have no message. It denies access only where no key is found in a ciphertext, and
 * AWS KMS says that of such a denial.
 */
function outspoken(client: KMS): AwsKmsClient {
  const saying = async <T>(answer: Promise<T>): Promise<T> =>
    answer.catch((error: unknown) => {
      if (error instanceof Error && error.name === "AccessDeniedException") {
        error.message =
          "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.";
      }
      throw error;
    });
  return {
    generateDataKey: (input, options) => client.generateDataKey(input, options),
    encrypt: (input, options) => client.encrypt(input, options),
    decrypt: (input, options) => saying(client.decrypt(input, options)),
    reEncrypt: (input, options) => saying(client.reEncrypt(input, options)),
    describeKey: (input, options) => client.describeKey(input, options),
  };
}

describe.skipIf(absent !== undefined)("against moto", () => {
  it.for(cmkCases(harness))("$name", async (c, { skip }) => {
    skip(c.skip !== undefined, c.skip);
    await c.run();
  });
});

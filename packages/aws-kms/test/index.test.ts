import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";

/** Runs a module in a process of its own and lists the modules of the SDK that it loaded. */
async function sdkModules(code: string): Promise<readonly string[]> {
  const program = `
    import { registerHooks } from "node:module";
    const urls = [];
    registerHooks({
      resolve(specifier, context, next) {
        const found = next(specifier, context);
        urls.push(found.url);
        return found;
      },
    });
    ${code}
    console.log(JSON.stringify(urls.filter((url) => /@aws-sdk|@smithy/.test(url))));
  `;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--conditions=@env/source", "--input-type=module", "--eval", program],
    { cwd: import.meta.dirname, env: { PATH: "", AWS_EC2_METADATA_DISABLED: "true" } },
  );
  return JSON.parse(stdout) as readonly string[];
}

it("loads nothing of the SDK to be imported, configured and closed", async () => {
  const loaded = await sdkModules(`
    const { awsKms, awsKmsDriver, parseAwsKmsUri } = await import("@env/aws-kms");
    const uri = parseAwsKmsUri("aws-kms:alias/app?region=eu-west-1");
    await awsKms(uri).close();
    awsKmsDriver({ ...uri, maxAttempts: 2 });
  `);
  expect(loaded).toEqual([]);
});

it("loads nothing of the SDK to call a client that was passed in", async () => {
  const loaded = await sdkModules(`
    const { awsKms } = await import("@env/aws-kms");
    const KeyId = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    const call = async () => ({ Plaintext: new Uint8Array(32), CiphertextBlob: new Uint8Array(1), KeyId });
    const client = { generateDataKey: call, encrypt: call, decrypt: call, reEncrypt: call, describeKey: call };
    await awsKms({ client, key: KeyId }).generateDataKey({ context: {} });
  `);
  expect(loaded).toEqual([]);
});

it("loads the SDK for the first call without a client", async () => {
  const loaded = await sdkModules(`
    const { openAwsKms } = await import("@env/aws-kms");
    await (await openAwsKms("aws-kms:alias/app?region=eu-west-1")).close();
  `);
  expect(loaded.some((url) => url.includes("client-kms"))).toBe(true);
});

/** `gcloud`, which nobody here wrote, as a client over REST. */
import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it, onTestFinished } from "vitest";
import { startGcpKmsServer } from "../../src/gcp-kms/index.ts";

const absent = spawnSync("gcloud", ["--version"], { stdio: "ignore" }).error !== undefined;

it("encrypts, rotates and decrypts with gcloud", async ({ skip }) => {
  skip(absent, "gcloud is not installed");
  const server = await startGcpKmsServer();
  const folder = await mkdtemp(join(tmpdir(), "gcp-kms-server-"));
  onTestFinished(async () => {
    await server.close();
    await rm(folder, { recursive: true });
  });
  const env = {
    ...process.env,
    CLOUDSDK_CONFIG: folder,
    CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS: `http://127.0.0.1:${server.restPort}/`,
    CLOUDSDK_AUTH_DISABLE_CREDENTIALS: "true",
    CLOUDSDK_CORE_CHECK_GCE_METADATA: "false",
    CLOUDSDK_CORE_DISABLE_PROMPTS: "1",
    CLOUDSDK_CORE_PROJECT: "p",
  };
  const gcloud = async (...words: string[]): Promise<string> => {
    const place = ["--location=global", "--quiet"];
    const { stdout } = await promisify(execFile)("gcloud", ["kms", ...words, ...place], { env });
    return stdout;
  };
  const file = (name: string): string => join(folder, name);
  const of = ["--keyring=r", "--key=k"];
  await writeFile(file("plain"), "hello");
  await writeFile(file("aad"), "tenant=acme");
  await writeFile(file("other"), "tenant=evil");

  await gcloud("keyrings", "create", "r");
  await gcloud("keys", "create", "k", "--keyring=r", "--purpose=encryption");
  const encrypting = [`--plaintext-file=${file("plain")}`, `--ciphertext-file=${file("sealed")}`];
  const bound = `--additional-authenticated-data-file=${file("aad")}`;
  await gcloud("encrypt", ...of, ...encrypting, bound);
  expect(await readFile(file("sealed"))).toHaveLength(5 + 81);
  await gcloud("keys", "versions", "create", ...of, "--primary");
  const decrypting = [`--ciphertext-file=${file("sealed")}`, `--plaintext-file=${file("opened")}`];
  await gcloud("decrypt", ...of, ...decrypting, bound);
  expect(await readFile(file("opened"), "utf8")).toBe("hello");
  await expect(
    gcloud(
      "decrypt",
      ...of,
      ...decrypting,
      `--additional-authenticated-data-file=${file("other")}`,
    ),
  ).rejects.toThrow("Decryption failed: the ciphertext is invalid");
  await gcloud("keys", "versions", "disable", "1", ...of);
  await expect(gcloud("decrypt", ...of, ...decrypting, bound)).rejects.toThrow(
    "cryptoKeyVersions/1 is not enabled, current state is: DISABLED",
  );
  expect(await gcloud("keys", "list", "--keyring=r", "--format=value(primary.name)")).toBe("2\n");
});

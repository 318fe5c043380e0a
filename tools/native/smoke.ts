/**
 * The mistake it stops: an addon that was built and does not load where it is for. Installs a tarball in an empty
 * folder and compares what it seals with `node:crypto`:
 *
 *     node tools/native/smoke.ts TARBALL
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { createCipheriv, createHmac, randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { command, report } from "../command.ts";

type Bytes = Uint8Array<ArrayBuffer>;

interface Addon {
  version(): string;
  hmacKey(raw: Bytes): unknown;
  sealPayload(key: unknown, info: Bytes, plaintext: Bytes, out: Bytes): void;
  openPayload(key: unknown, info: Bytes, sealed: Bytes, out: Bytes): number;
}

const random = (length: number): Bytes => new Uint8Array(randomBytes(length));

/** Commitment and one chunk, with Node's own cryptography. */
function sealByNode(raw: Bytes, info: Bytes, plaintext: Bytes): Buffer {
  const hmac = (...parts: readonly Uint8Array[]): Buffer =>
    createHmac("sha512", raw).update(Buffer.concat(parts)).digest();
  const first = hmac(info, Uint8Array.of(1));
  const okm = Buffer.concat([first, hmac(first, info, Uint8Array.of(2))]);
  const cipher = createCipheriv("aes-256-gcm", okm.subarray(0, 32), okm.subarray(32, 44));
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return Buffer.concat([okm.subarray(44, 76), ciphertext, cipher.getAuthTag()]);
}

/** What is wrong with an addon, one sentence each. */
export function wrongAddon(addon: Addon): string[] {
  const [raw, info, plaintext] = [random(32), random(150), random(1000)];
  const key = addon.hmacKey(raw);
  const sealed = new Uint8Array(plaintext.length + 48);
  addon.sealPayload(key, info, plaintext, sealed);
  const found: string[] = [];
  if (!sealByNode(raw, info, plaintext).equals(sealed)) found.push("it seals to other bytes");
  const opened = new Uint8Array(plaintext.length);
  const result = addon.openPayload(key, info, sealed, opened);
  if (result !== -1 || !plaintext.every((byte, i) => byte === opened[i])) {
    found.push("it does not open what it sealed");
  }
  sealed[40] = ~(sealed[40] ?? 0);
  if (addon.openPayload(key, info, sealed, opened) !== 0 || opened.some((byte) => byte !== 0)) {
    found.push("it releases what does not verify");
  }
  return found;
}

await command(import.meta, ([tarball = ""]) => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "env-native-")));
  try {
    writeFileSync(join(folder, "package.json"), "{}");
    const { status, stderr } = spawnSync(
      "npm",
      ["install", "--offline", "--no-audit", resolve(tarball)],
      {
        cwd: folder,
        encoding: "utf8",
        shell: process.platform === "win32",
      },
    );
    if (status !== 0) return report("smoke", [`npm install failed\n${stderr}`], "");
    const scope = join(folder, "node_modules/@env");
    const [name = ""] = readdirSync(scope);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what it does is checked next
    const addon = createRequire(import.meta.url)(join(scope, name)) as Addon;
    return report("smoke", wrongAddon(addon), `@env/${name} works: ${addon.version()}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

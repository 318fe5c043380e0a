/**
 * A process that makes files that must appear whole, and kills itself before its nth change of the file system on its way:
 * `maker.ts <what> <n> <arguments>…`. Without that many it ends with code 0.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const [what = "", n = "0", ...args] = process.argv.slice(2);
const [path = "", target = ""] = args;

const { createKeystore, openKeystore } = await import("../../src/index.ts");
const root = { keyFile: `${path}.key` };
const keystore = what === "create" ? undefined : await openKeystore(path, { root });

let left = Number(n);
const names = ["writeSync", "fsyncSync", "linkSync", "renameSync", "unlinkSync"] as const;
for (const name of names) {
  const original: unknown = fs[name];
  if (typeof original !== "function") throw new TypeError(`there is no fs.${name}`);
  const counted = (...call: unknown[]): unknown => {
    left--;
    if (left === 0) process.kill(process.pid, "SIGKILL");
    return Reflect.apply(original, fs, call);
  };
  Object.assign(fs, { [name]: counted });
}
syncBuiltinESMExports();

if (what === "create") {
  const made = await createKeystore(path, {
    root,
    async prepare(fresh) {
      const { KeyMetadata } = await fresh.as().createKey();
      await fresh.as().createAlias({ AliasName: "alias/app", TargetKeyId: KeyMetadata.KeyId });
    },
  });
  made.close();
}
if (what === "backup") await keystore?.backup(target);
if (what === "archive") await keystore?.audit.applyRetention({ maxRecords: 1, archive: target });
keystore?.close();

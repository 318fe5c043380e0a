/** A keystore in PostgreSQL is restored to a moment: a base backup, and the log that PostgreSQL has archived since. */
import { execFileSync } from "node:child_process";
import { chownSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startPostgres, type Postgres } from "@env/testkit/postgres";
import { tempFolder } from "@env/testkit/folder";
import { expect, it, onTestFinished, vi } from "vitest";
import { createKeystore, openKeystore } from "../../../src/index.ts";
import { newKey } from "../../support/keystore.ts";

async function started(...options: Parameters<typeof startPostgres>): Promise<Postgres> {
  const server = await startPostgres(...options);
  if (typeof server === "string") throw new Error(server);
  onTestFinished(() => server.stop());
  return server;
}

function sql(server: Postgres, text: string): string {
  return server.run("psql", "-qtAX", "-v", "ON_ERROR_STOP=1", server.url, "-c", text).trim();
}

it("a base backup and the archived log bring back the keystore of a moment", async () => {
  const first = await started({
    settings: {
      fsync: "off",
      archive_mode: "on",
      archive_command: 'test ! -f "$PWD-archive/%f" && cp "%p" "$PWD-archive/%f"',
    },
  });
  const archive = `${first.folder}-archive`;
  mkdirSync(archive, { mode: 0o700 });
  const { uid, gid } = statSync(first.folder);
  chownSync(archive, uid, gid);
  onTestFinished(() => rmSync(archive, { recursive: true, force: true }));
  const root = { keyFile: `${tempFolder()}/key` };
  const keystore = await createKeystore(first.url, { root });
  onTestFinished(() => keystore.close());
  const client = keystore.as();
  const before = await newKey(client, "alias/before");

  const backup = `${first.folder}-backup`;
  onTestFinished(() => rmSync(backup, { recursive: true, force: true }));
  const { port } = new URL(first.url);
  const from = ["--host=127.0.0.1", `--port=${port}`, "--username=test", "--checkpoint=fast"];
  first.run("pg_basebackup", ...from, "--wal-method=none", "--no-manifest", `--pgdata=${backup}`);

  // After the backup, and before the mistake.
  const { CiphertextBlob } = await client.generateDataKey({ KeyId: before, NumberOfBytes: 16 });
  await newKey(client, "alias/after");
  sql(first, "SELECT pg_create_restore_point('mistake')");
  await client.scheduleKeyDeletion({ KeyId: before, PendingWindowInDays: 7 });
  const segment = sql(first, "SELECT pg_walfile_name(pg_switch_wal())");
  const archived = (): string => sql(first, "SELECT last_archived_wal FROM pg_stat_archiver");
  await vi.waitUntil(() => archived() >= segment, { timeout: 60_000 });

  const second = await started({
    settings: {
      fsync: "off",
      restore_command: `cp "${archive}/%f" "%p"`,
      recovery_target_name: "mistake",
      recovery_target_action: "promote",
    },
    fill(_, folder) {
      execFileSync("cp", ["-a", `${backup}/.`, folder]);
      const signal = join(folder, "recovery.signal");
      writeFileSync(signal, "");
      chownSync(signal, uid, gid);
    },
  });
  await vi.waitUntil(() => sql(second, "SELECT pg_is_in_recovery()") === "f", { timeout: 60_000 });
  const restored = await openKeystore(second.url, { root });
  onTestFinished(() => restored.close());
  const { Aliases } = await restored.as().listAliases({ Limit: 100 });
  expect(Aliases.map(({ AliasName }) => AliasName)).toEqual(
    expect.arrayContaining(["alias/after", "alias/before"]),
  );
  await restored.as().decrypt({ KeyId: before, CiphertextBlob });
  const { KeyMetadata } = await restored.as().describeKey({ KeyId: before });
  expect(KeyMetadata.KeyState).toBe("Enabled");
  expect(await restored.verify()).toEqual([]);
  const anchor = await keystore.audit.anchor();
  expect(await restored.audit.verify()).toMatchObject({ intact: true });
  // What was recorded since then is missing, which an anchor that is kept elsewhere shows.
  expect(await restored.audit.verify({ anchor })).toMatchObject({ intact: false });
});

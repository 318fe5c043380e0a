/**
 * A PostgreSQL of a test's own: a new cluster in a folder, on a free port of the loopback. Tests use it where the programs
 * are installed, as Debian's package `postgresql` has them, and are skipped elsewhere.
 *
 * @module
 */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";

export interface Postgres {
  /** `postgres://test@127.0.0.1:…/postgres`; nobody needs a password. */
  readonly url: string;
  /** The folder of the cluster, which belongs to the user that PostgreSQL runs as. */
  readonly folder: string;
  /** Runs one of PostgreSQL's programs, such as `psql`, as that user. Returns what it prints. */
  run(program: string, ...args: readonly string[]): string;
  /** Ends it as a crash of the machine does: no process of it does anything more. */
  kill(): Promise<void>;
  /** Starts it again, on the same port. */
  start(): Promise<void>;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

interface PostgresOptions {
  /** Settings of `postgresql.conf`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Fills the folder instead of `initdb`: `pg_basebackup` of another cluster. */
  readonly fill?: (run: Postgres["run"], folder: string) => void;
}

/** Starts a new PostgreSQL, or returns why there is none. */
export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres | string> {
  const programs = programsFolder();
  if (programs === undefined) return "PostgreSQL is not installed";
  const user = unprivileged();
  if (user === undefined) return "PostgreSQL refuses to run as root, and there is no user postgres";
  const folder = mkdtempSync(join(tmpdir(), "envelope-postgres-"));
  if (user.uid !== undefined) chownSync(folder, user.uid, user.gid);
  const run: Postgres["run"] = (program, ...args) =>
    execFileSync(join(programs, program), args, {
      ...user,
      cwd: folder,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
  const { fill = initialize } = options;
  fill(run, folder);
  const port = await freePort();
  const url = `postgres://test@127.0.0.1:${port}/postgres`;
  const settings = Object.entries({
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: folder,
    ...options.settings,
  }).flatMap(([name, value]) => ["-c", `${name}=${value}`]);

  let child: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    // The shell ends PostgreSQL when this process is gone, whatever has ended it.
    child = spawn(
      "/bin/sh",
      ["-c", GUARD, "sh", join(programs, "postgres"), "-D", folder, ...settings],
      { ...user, cwd: folder, stdio: ["pipe", "ignore", "ignore"], detached: true },
    );
    for (;;) {
      try {
        run("pg_isready", "-q", "-h", "127.0.0.1", "-p", String(port));
        return;
      } catch (error) {
        if (child.exitCode !== null) throw error;
        await setTimeout(50);
      }
    }
  };
  const end = async (signal: "SIGKILL" | "SIGINT"): Promise<void> => {
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    // A crash takes all processes of the cluster, a stop only asks the first one.
    if (signal === "SIGKILL") for (const pid of pidsOf(folder)) killPid(pid);
    else child.stdin?.end();
    await ended;
  };
  await start();
  return {
    url,
    folder,
    run,
    start,
    kill: () => end("SIGKILL"),
    async stop() {
      await end("SIGINT");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/**
 * Runs its arguments until its input ends, and then waits for them to end. Clients that are about to leave have a second for
 * it: an error on a connection that its program has closed would have no one to handle it.
 */
const GUARD = `
exec 3<&0
"$@" </dev/null 3<&- & postgres=$!
{ read line; kill -TERM $postgres; sleep 1; kill -INT $postgres; } <&3 & guard=$!
exec 3<&-
wait $postgres
kill $guard
exit 0
`;

function initialize(run: Postgres["run"], folder: string): void {
  const locale = ["--encoding=UTF8", "--locale=C"];
  run("initdb", "--pgdata", folder, "--username=test", "--auth=trust", "--no-sync", ...locale);
}

/** Where the newest version's programs are. */
function programsFolder(): string | undefined {
  const versions = "/usr/lib/postgresql";
  const found = existsSync(versions) ? readdirSync(versions).toSorted(byNumber) : [];
  const folders = found.map((version) => join(versions, version, "bin"));
  return folders.findLast((folder) => existsSync(join(folder, "initdb")));
}

function byNumber(a: string, b: string): number {
  return Number(a) - Number(b);
}

/** Whom PostgreSQL runs as: this user, unless it is root. */
function unprivileged(): { readonly uid?: number; readonly gid: number } | undefined {
  if (userInfo().uid !== 0) return { gid: userInfo().gid };
  const [, , uid, gid] =
    readFileSync("/etc/passwd", "utf8")
      .split("\n")
      .map((line) => line.split(":"))
      .find(([name]) => name === "postgres") ?? [];
  return uid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) };
}

/** The first process of a cluster, and those that it has started. */
function pidsOf(folder: string): readonly number[] {
  const first = Number(readFileSync(join(folder, "postmaster.pid"), "utf8").split("\n")[0]);
  const children = readFileSync(`/proc/${first}/task/${first}/children`, "utf8").trim();
  return [first, ...children.split(" ").filter(Boolean).map(Number)];
}

function killPid(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended in the meantime.
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("there is no free port");
  return address.port;
}

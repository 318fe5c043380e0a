/**
 * The mistake it stops: a release workflow through which somebody else can publish. In 2026 packages went out
 * through the workflows of their own projects, with valid provenance: code of a pull request ran with rights, or
 * poisoned a cache that a job with rights restored. So here what runs foreign code has no rights, and what has
 * rights runs no foreign code.
 *
 *     node tools/check-workflows.ts
 *
 * Sources: docs.github.com, "Security hardening for GitHub Actions"; docs.npmjs.com/staged-publishing
 *
 * @module
 */
import { parse } from "yaml";
import { command, report } from "./command.ts";
import { findFiles, readText } from "./workspace.ts";

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}

interface Job {
  readonly permissions?: Permissions;
  readonly environment?: unknown;
  readonly needs?: unknown;
  readonly "timeout-minutes"?: number;
  readonly steps?: readonly Step[];
}

interface Workflow {
  readonly on: unknown;
  readonly permissions?: Permissions;
  readonly jobs: Readonly<Record<string, Job>>;
}

type Permissions = string | Readonly<Record<string, string>>;

/** Events that run with the rights of this repository on what a stranger wrote. */
const FOREIGN_EVENTS = ["pull_request_target", "workflow_run", "issue_comment"];

/** Commands that fetch or run code: package managers, interpreters, scripts of the repository. */
const RUNS_CODE =
  /\b(?:npx|pnpm|yarn|corepack|node|bash|sh|curl|wget|pip|cargo)\b|\bnpm (?!stage publish)|(?:^|[\s;&|])\.\//m;

/** What is wrong with a workflow, one sentence each. */
export function wrongWorkflow(text: string): string[] {
  const { on, permissions, jobs } = parse(text) as Workflow;
  const found: string[] = [];
  for (const event of FOREIGN_EVENTS) {
    if (eventsOf(on).includes(event))
      found.push(`${event} would run a stranger's code with rights`);
  }
  if (permissions === undefined || writes(permissions).length > 0) {
    found.push("its permissions must be empty or read-only: a job asks for what it needs");
  }
  if (/\$\{\{[^}]*\bsecrets\b/.test(text)) {
    found.push("it uses a secret: npm needs none, and github.token is enough for the rest");
  }
  for (const [, action = "", version] of text.matchAll(/uses: *(\S+)(?: *#(.*))?$/gm)) {
    if (!/@[0-9a-f]{40}$/.test(action) || !/^ v\d/.test(version ?? "")) {
      found.push(`${action} must be pinned by its commit, with the version as a comment`);
    }
  }
  return [...found, ...Object.entries(jobs).flatMap(([name, job]) => wrongJob(name, job))];
}

function wrongJob(name: string, job: Job): string[] {
  const found: string[] = [];
  const { permissions = {}, steps = [] } = job;
  if (job["timeout-minutes"] === undefined) found.push(`${name} has no timeout-minutes`);
  for (const { uses = "", run = "", with: inputs = {} } of steps) {
    if (uses.startsWith("actions/checkout@") && inputs["persist-credentials"] !== false) {
      found.push(`${name} must check out with persist-credentials: false`);
    }
    if (uses.startsWith("actions/setup-node@") && inputs["package-manager-cache"] !== false) {
      found.push(`${name} must set up Node with package-manager-cache: false`);
    }
    if (uses.startsWith("actions/cache") || "cache" in inputs) {
      found.push(`${name} uses a cache, which others can have filled`);
    }
    if (/\$\{\{/.test(run)) {
      found.push(`${name} puts an expression into a script: pass it in a variable`);
    }
  }
  if (writes(permissions).length === 0) return found;
  for (const { uses = "", run = "" } of steps) {
    if (uses.startsWith("actions/checkout@") || RUNS_CODE.test(run)) {
      found.push(`${name} may write ${writes(permissions).join(" and ")}, so it must not run code`);
    }
  }
  if (writes(permissions).includes("id-token")) {
    if (job.environment === undefined) found.push(`${name} needs an environment with reviewers`);
    if (job.needs === undefined) found.push(`${name} must publish what another job has built`);
    if (writes(permissions).length > 1) found.push(`${name} may write more than its identity`);
  }
  return found;
}

/** What workflows do together, one sentence each: who publishes, and how. */
export function wrongPublishing(texts: readonly string[]): string[] {
  const jobs = texts.flatMap((text) => Object.entries((parse(text) as Workflow).jobs));
  const publishing = jobs.filter(([, { permissions = {} }]) =>
    writes(permissions).includes("id-token"),
  );
  const scripts = jobs.flatMap(([, { steps = [] }]) => steps.map(({ run = "" }) => run));
  const found: string[] = [];
  if (publishing.length !== 1) found.push(`${publishing.length} jobs have an identity, not one`);
  if (!scripts.some((script) => script.includes("npm stage publish"))) {
    found.push("no job stages the packages");
  }
  if (scripts.some((script) => /\b(?:npm|pnpm|changeset) publish\b/.test(script))) {
    found.push("a job publishes without the approval of a person");
  }
  return found;
}

function eventsOf(on: unknown): readonly unknown[] {
  if (typeof on === "object" && on !== null) return Array.isArray(on) ? on : Object.keys(on);
  return [on];
}

/** The scopes that may be written; all of them for `write-all`. */
function writes(permissions: Permissions): string[] {
  if (typeof permissions === "string") return permissions === "write-all" ? ["everything"] : [];
  return Object.keys(permissions).filter((scope) => permissions[scope] === "write");
}

await command(import.meta, () => {
  const files = findFiles(".github/workflows/*.yml");
  const found = [
    ...files.flatMap((file) => wrongWorkflow(readText(file)).map((what) => `${file}: ${what}`)),
    ...wrongPublishing(files.map(readText)),
  ];
  return report(
    "check-workflows",
    found,
    "what publishes runs no code, what runs code cannot publish",
  );
});

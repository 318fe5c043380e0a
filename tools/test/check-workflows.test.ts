import { describe, expect, it } from "vitest";
import { wrongPublishing, wrongWorkflow } from "../check-workflows.ts";
import { readText } from "../workspace.ts";

const release = readText(".github/workflows/release.yml");

/** The release workflow with one change, which must have changed something. */
function changed(from: string | RegExp, to: string): string {
  const text = release.replace(from, to);
  expect(text).not.toBe(release);
  return text;
}

describe("a workflow", () => {
  it("is as it should be in this repository", () => {
    const ci = readText(".github/workflows/ci.yml");
    expect([...wrongWorkflow(release), ...wrongWorkflow(ci)]).toEqual([]);
    expect(wrongPublishing([release, ci])).toEqual([]);
  });

  it.each<[string, string | RegExp, string, string]>([
    [
      "runs for pull requests with the rights of the repository",
      'push:\n    tags: ["v*"]',
      "pull_request_target:",
      "pull_request_target would run a stranger's code with rights",
    ],
    [
      "gives every job rights",
      "permissions: {}",
      "permissions: write-all",
      "its permissions must be empty or read-only: a job asks for what it needs",
    ],
    [
      "has a token for npm",
      "GH_TOKEN: ${{ github.token }}",
      "NODE_AUTH_TOKEN: ${{ secrets.NPM_TOKEN }}",
      "it uses a secret: npm needs none, and github.token is enough for the rest",
    ],
    [
      "uses an action by its tag",
      /actions\/upload-artifact@\S+ # v4\.6\.2/,
      "actions/upload-artifact@v4",
      "actions/upload-artifact@v4 must be pinned by its commit, with the version as a comment",
    ],
    [
      "uses an action of an unnamed version",
      / # v4\.6\.2/,
      "",
      "actions/upload-artifact@ea165f8d65b6e75b540449e92b4886f43607fa02 must be pinned by its commit, with the version as a comment",
    ],
    [
      "leaves a credential in the clone",
      "persist-credentials: false",
      "fetch-depth: 0",
      "build must check out with persist-credentials: false",
    ],
    [
      "restores a cache of packages",
      "package-manager-cache: false",
      "cache: pnpm",
      "build uses a cache, which others can have filled",
    ],
    [
      "puts the name of a tag into a script",
      '"$GITHUB_REF_NAME" tarballs',
      "${{ github.ref_name }} tarballs",
      "build puts an expression into a script: pass it in a variable",
    ],
    [
      "runs for hours",
      "timeout-minutes: 60",
      "continue-on-error: false",
      "build has no timeout-minutes",
    ],
    [
      "installs where it publishes",
      "cmp sums/SHA512SUMS tarballs/SHA512SUMS",
      "npm ci",
      "publish may write id-token, so it must not run code",
    ],
    [
      "runs a script where it publishes",
      "cmp sums/SHA512SUMS tarballs/SHA512SUMS",
      "./compare",
      "publish may write id-token, so it must not run code",
    ],
    [
      "publishes what no other job has built",
      "needs: [build, rebuild, addon]",
      "if: always()",
      "publish must publish what another job has built",
    ],
    [
      "publishes without a person",
      "environment: npm",
      "if: always()",
      "publish needs an environment with reviewers",
    ],
    [
      "can also change the repository where it publishes",
      "id-token: write",
      "contents: write\n      id-token: write",
      "publish may write more than its identity",
    ],
  ])("is refused if it %s", (_, from, to, finding) => {
    expect(wrongWorkflow(changed(from, to))).toContain(finding);
  });
});

describe("workflows together", () => {
  it("have one job with an identity", () => {
    const twice = changed("contents: write # the draft of a release", "id-token: write");
    expect(wrongPublishing([twice])).toEqual(["2 jobs have an identity, not one"]);
  });

  it("stage, and leave publishing to a person", () => {
    expect(wrongPublishing([release.replaceAll("npm stage publish", "npm publish")])).toEqual([
      "no job stages the packages",
      "a job publishes without the approval of a person",
    ]);
  });
});

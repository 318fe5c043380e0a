import { EnvelopeError } from "@env/core";
import { uriFault } from "@env/core/driver";
import { expect, it } from "vitest";
import { faultsOf, type Adapter } from "../check-adapters.ts";
import { findFiles, readText } from "../workspace.ts";

const open = (): Promise<never> =>
  Promise.reject(uriFault("example")("it must start with example:"));
const module = { openExample: open, parseExampleUri: open, exampleDriver: open, doctor: open };
const good: Adapter = {
  name: "@env/example",
  module,
  tests: ["it.for(cmkCases(harness))"],
  schemes: new Set(["example"]),
};

it("finds nothing wrong with an adapter that has everything", async () => {
  expect(await faultsOf(good)).toEqual([]);
});

it.each<[string, Partial<Adapter>, string]>([
  [
    "has no opener",
    { module: { ...module, openExample: undefined } },
    "exports one function open…",
  ],
  ["has two openers", { module: { ...module, openOther: open } }, "exports one function open…"],
  [
    "has no parser",
    { module: { ...module, parseExampleUri: 7 } },
    "exports one function parse…Uri",
  ],
  [
    "has no driver",
    { module: { ...module, exampleDriver: undefined } },
    "exports one function …Driver, for tests",
  ],
  ["has no doctor", { module: { ...module, doctor: undefined } }, "exports doctor"],
  ["runs no suite", { tests: ["it()"] }, "runs cmkCases of @env/conformance in a test"],
  [
    "is unknown to the command line",
    { schemes: new Set(["other"]) },
    "is opened by the command line, for example:",
  ],
])("finds that an adapter %s", async (_, change, rule) => {
  const faults = await faultsOf({ ...good, ...change });
  expect(faults).toEqual([`@env/example breaks a rule: an adapter ${rule}`]);
});

it.each([
  ["opens it", async () => undefined],
  ["throws another code", () => Promise.reject(new EnvelopeError("ERR_ENVELOPE_FORMAT", "x"))],
  ["names another scheme", () => Promise.reject(uriFault("other")("it must start with other:"))],
])(
  "finds that an opener does not refuse a URI of another scheme: it %s",
  async (_, openExample) => {
    expect(await faultsOf({ ...good, module: { ...module, openExample } })).toEqual([
      "@env/example breaks a rule: an adapter openExample refuses a URI of another scheme, and names its own, example:",
    ]);
  },
);

// Requirements: E6
it("is the only kind of provider whose name is not a reversed domain name", () => {
  const providers = (...patterns: readonly string[]): string[] =>
    findFiles(...patterns).flatMap((file) =>
      [...readText(file).matchAll(/\bprovider: "([^"]+)",/g)].map(([, name = ""]) => name),
    );
  const [, taken = ""] =
    /The names ([^.]+) are taken\./.exec(readText("spec/envelope-v1.md").replaceAll(/\s+/g, " ")) ??
    [];
  const names = [...taken.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);
  expect(providers("packages/*/src/driver.ts").toSorted()).toEqual(names.toSorted());
  const ofOthers = providers("examples/*.ts");
  expect(ofOthers.length).toBeGreaterThan(0);
  for (const name of ofOthers) expect(name).toMatch(/^[a-z]{2,}(?:\.[a-z0-9-]+)+$/);
});

import { describe, expect, it } from "vitest";
import { importsOf, violations, type CheckedPackage } from "../boundaries.ts";
import type { Manifest } from "../workspace.ts";

const CORE = { "@env/core": "workspace:^" };

function pack(manifest: Manifest, files: CheckedPackage["files"] = {}): CheckedPackage {
  return { dir: `packages/${manifest.name.slice("@env/".length)}`, manifest, files };
}

describe("manifests", () => {
  it("accepts the arrows of the table, those for tests among them", () => {
    const packages = [
      pack({ name: "@env/core", devDependencies: { "@env/testkit": "workspace:^" } }),
      pack({
        name: "@env/local-file",
        dependencies: { "@env/kms": "workspace:^" },
        peerDependencies: CORE,
        devDependencies: { ...CORE, "@env/conformance": "workspace:^" },
      }),
      pack({
        name: "@env/cli",
        dependencies: { ...CORE, "@env/s3": "workspace:^", commander: "15" },
      }),
    ];
    expect(violations(packages)).toEqual([]);
  });

  it("refuses an arrow that points the wrong way, in every kind of dependency", () => {
    const kms = { "@env/kms": "workspace:^" };
    for (const kind of ["dependencies", "peerDependencies", "optionalDependencies"] as const) {
      const manifest: Manifest = { name: "@env/conformance", [kind]: kms };
      expect(violations([pack(manifest)])).toEqual(["@env/conformance may not depend on @env/kms"]);
    }
    expect(violations([pack({ name: "@env/conformance", devDependencies: kms })])).toEqual([
      "@env/conformance may not depend on @env/kms, not even in tests",
    ]);
  });

  it("refuses to ship what only tests may use", () => {
    const manifest: Manifest = {
      name: "@env/gcp-kms",
      dependencies: { "@env/conformance": "workspace:^" },
    };
    expect(violations([pack(manifest)])).toEqual([
      "@env/gcp-kms may not depend on @env/conformance",
    ]);
  });

  it("refuses any dependency of core, also of others' packages and for tests", () => {
    const manifest: Manifest = {
      name: "@env/core",
      dependencies: { "left-pad": "1" },
      peerDependencies: { tslib: "2" },
      devDependencies: { "@env/conformance": "workspace:^" },
    };
    expect(violations([pack(manifest)])).toEqual([
      "@env/core depends on left-pad; it depends on nothing, in tests too",
      "@env/core depends on tslib; it depends on nothing, in tests too",
      "@env/core depends on @env/conformance; it depends on nothing, in tests too",
    ]);
  });

  it("refuses any dependency of the testkit, and every other use of it than in tests", () => {
    const manifest: Manifest = { name: "@env/testkit", dependencies: CORE };
    expect(violations([pack(manifest)])).toEqual([
      "@env/testkit depends on @env/core; it depends on nothing, in tests too",
    ]);
    const dependencies = { "@env/testkit": "workspace:^" };
    expect(violations([pack({ name: "@env/kms", dependencies })])).toEqual([
      "@env/kms may not depend on @env/testkit",
    ]);
  });

  it("refuses a library that brings its own core", () => {
    const manifest: Manifest = { name: "@env/aws-kms", dependencies: CORE };
    expect(violations([pack(manifest)])).toEqual([
      "@env/aws-kms must have @env/core as a peer dependency: its user brings the one Cmk class",
    ]);
  });

  it("refuses a package that nobody gave a layer, also under a name that objects have", () => {
    expect(violations([pack({ name: "@env/new" })])).toHaveLength(1);
    expect(violations([pack({ name: "constructor" })])).toEqual([
      "constructor has no layer; give it one in tools/boundaries.ts",
    ]);
  });
});

describe("sources", () => {
  it("refuses an import that package.json does not declare", () => {
    const files = { "src/index.ts": `export { x } from "@env/kms/deep";` };
    expect(violations([pack({ name: "@env/cli" }, files)])).toEqual([
      "packages/cli/src/index.ts imports @env/kms, which its package.json does not declare",
    ]);
  });

  it("lets tests use what sources may not", () => {
    const manifest: Manifest = {
      name: "@env/gcp-kms",
      peerDependencies: CORE,
      devDependencies: { "@env/testkit": "workspace:^" },
    };
    const text = `import { rejection } from "@env/testkit/refusal";`;
    expect(violations([pack(manifest, { "test/driver.test.ts": text })])).toEqual([]);
    expect(violations([pack(manifest, { "src/driver.ts": text })])).toHaveLength(1);
  });

  it("lets the tools use every package that they declare, by its exports", () => {
    const manifest: Manifest = { name: "@env/tools", dependencies: CORE };
    const files = {
      "fuzz.ts": `import { Cmk } from "@env/core";`,
      "bench/figures/a.ts": `import { judge } from "../../../packages/kms/src/policy/decide.ts";`,
      "bench/b.ts": `import { command } from "../command.ts";`,
      "test/c.test.ts": `import { doctor } from "@env/kms";`,
    };
    expect(violations([{ dir: "tools", manifest, files }])).toEqual([
      "tools/bench/figures/a.ts imports ../../../packages/kms/src/policy/decide.ts: use the other package's exports",
      "tools/test/c.test.ts imports @env/kms, which its package.json does not declare",
    ]);
  });

  it("refuses Node's modules in core outside of *.node.ts, with and without their prefix", () => {
    const files = {
      "src/crypto.node.ts": `import { createHmac } from "node:crypto";`,
      "src/kdf.ts": `import { createHmac } from "node:crypto";`,
      "src/bytes.ts": `import { Buffer } from "buffer";`,
      "src/index.ts": `export { backend } from "./crypto.node.ts";`,
    };
    expect(violations([pack({ name: "@env/core" }, files)])).toEqual([
      "packages/core/src/kdf.ts imports node:crypto; only *.node.ts files may",
      "packages/core/src/bytes.ts imports buffer; only *.node.ts files may",
      "packages/core/src/index.ts imports ./crypto.node.ts; only *.node.ts files may",
    ]);
  });

  it("refuses a room what its wall keeps out, and nothing inside of it or that is not a room", () => {
    const kms = pack(
      { name: "@env/kms", peerDependencies: CORE },
      {
        "src/policy/decide.ts": `
          import { didYouMean } from "@env/core";
          import { matches } from "./match.ts";
          import { operations } from "../catalogue/operations.ts";
          import { keySpecs } from "../material/key-specs.ts";
          import { keyArn } from "../arn.ts";`,
        "src/catalogue/row.ts": 'import type { Policy } from "../policy/document.ts";',
        "src/access/access.ts": 'import { decide } from "../policy/decide.ts";',
        "test/policy/decide.test.ts": 'import { keystore } from "../support/keystore.ts";',
      },
    );
    expect(violations([kms])).toEqual([
      "packages/kms/src/policy/decide.ts imports ../material/key-specs.ts; policy/ may use only catalogue",
      "packages/kms/src/policy/decide.ts imports ../arn.ts; policy/ may use only catalogue",
      "packages/kms/src/catalogue/row.ts imports ../policy/document.ts; catalogue/ may use nothing else",
    ]);
  });

  it("refuses a path into another package, and not one inside of it", () => {
    const files = {
      "test/a.test.ts": `import { x } from "../../core/src/bytes.ts";`,
      "test/b.test.ts": `import { y } from "../src/index.ts";`,
    };
    const manifest: Manifest = { name: "@env/kms", peerDependencies: CORE };
    expect(violations([pack(manifest, files)])).toEqual([
      "packages/kms/test/a.test.ts imports ../../core/src/bytes.ts: use the other package's exports",
    ]);
  });

  it("lets tests use the test support of a package that they may use, and sources not", () => {
    const support = `import { x } from "../../core/test/support/cmk.ts";`;
    const manifest: Manifest = { name: "@env/kms", peerDependencies: CORE };
    expect(violations([pack(manifest, { "test/a.test.ts": support })])).toEqual([]);
    expect(violations([pack(manifest, { "src/a.ts": support })])).toEqual([
      "packages/kms/src/a.ts imports ../../core/test/support/cmk.ts: use the other package's exports",
    ]);
    const stranger = `import { x } from "../../aws-kms/test/support/a.ts";`;
    expect(violations([pack(manifest, { "test/a.test.ts": stranger })])).toEqual([
      "packages/kms/test/a.test.ts imports ../../aws-kms/test/support/a.ts: use the other package's exports",
    ]);
  });

  it("finds imports of all forms, and none in comments", () => {
    const text = `
      import type { A } from "a";
      import {
        b,
      } from 'b';
      import "c";
      export * from "d";
      const e = await import("e");
      // import "f";
      /**
       * import { g } from "g";
       */
    `;
    expect(importsOf(text)).toEqual(["a", "b", "c", "d", "e"]);
  });
});

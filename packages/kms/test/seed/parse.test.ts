import { describe, expect, it } from "vitest";
import { isKmsError, parseSeed, type ParseSeedOptions } from "../../src/index.ts";
import {
  ALICE,
  EVERYTHING,
  identityPolicy,
  KEY,
  keyPolicy,
  MULTI,
  OTHER,
  seedOf,
} from "./support/seeds.ts";

const MATERIAL = Buffer.alloc(32, 7).toString("base64");

function refusal(value: unknown, options?: ParseSeedOptions): string {
  try {
    parseSeed(value, options);
  } catch (error) {
    if (isKmsError(error)) return `${error.name} ${error.message}`;
    throw error;
  }
  throw new Error("the seed was taken");
}

const key = (more: object): unknown => seedOf([{ keyId: KEY, ...more }]);
const multi = (replica: object): unknown => ({
  version: 1,
  keys: [{ keyId: MULTI, replicas: [replica] }],
});
const principal = (more: object): unknown => seedOf([], [{ arn: ALICE, ...more }]);

describe("parseSeed", () => {
  it("takes everything that a seed can say", () => {
    const { keys, principals } = parseSeed(EVERYTHING);
    expect(keys.map(({ keyId }) => keyId)).toEqual(EVERYTHING.keys?.map(({ keyId }) => keyId));
    expect(principals).toHaveLength(3);
    expect(keys[0]).toMatchObject({
      rotation: 90,
      policy: JSON.stringify(keyPolicy("kms:Decrypt")),
    });
  });

  it("fills in what is left out", () => {
    expect(parseSeed({ version: 1 })).toEqual({ keys: [], principals: [] });
    expect(parseSeed(key({ policy: "default" })).keys[0]).toEqual({
      keyId: KEY,
      description: "",
      keySpec: "SYMMETRIC_DEFAULT",
      keyUsage: "ENCRYPT_DECRYPT",
      origin: "AWS_KMS",
      enabled: true,
      rotation: undefined,
      policy: undefined,
      tags: {},
      aliases: [],
      region: undefined,
      material: undefined,
      replicas: [],
    });
  });

  it("takes an alias once in each region", () => {
    const aliases = ["alias/a"];
    const { keys } = parseSeed(
      seedOf([{ keyId: MULTI, aliases, replicas: [{ region: "eu-1", aliases }] }]),
    );
    expect(keys[0]?.replicas[0]?.aliases).toEqual(keys[0]?.aliases);
  });

  it("takes a policy as its text, and keeps it as it is written", () => {
    const text = JSON.stringify(keyPolicy("kms:Decrypt"), null, 2);
    expect(parseSeed(key({ policy: text })).keys[0]?.policy).toBe(text);
  });

  it.each<[string, unknown, string]>([
    ["a list", [], "ValidationException the seed: it must be a map of members"],
    ["nothing", null, "ValidationException the seed: it must be a map of members"],
    ["no version", {}, "ValidationException version: it must be 1, the only version there is"],
    ["another version", { version: 2 }, "ValidationException version: it must be 1"],
    [
      "an unknown member",
      { version: 1, key: [] },
      "ValidationException key: there is no such member",
    ],
    [
      "an unknown member of a key",
      key({ alias: "x" }),
      "ValidationException keys[0].alias: there is no such member. There are keyId, region, description, ",
    ],
    [
      "a misspelt member of a key",
      key({ descripton: "x" }),
      "ValidationException keys[0].descripton: there is no such member. Did you mean description? There are keyId, ",
    ],
    [
      "an odd member of a key",
      key({ "a b": 1 }),
      'ValidationException keys[0]["a b"]: there is no such',
    ],
    [
      "__proto__",
      JSON.parse('{"version":1,"__proto__":{}}'),
      "ValidationException __proto__: there is no",
    ],
    [
      "a member without value",
      key({ enabled: null }),
      "ValidationException keys[0].enabled: it has no value",
    ],
    [
      "keys that are no list",
      { version: 1, keys: {} },
      "ValidationException keys: it must be a list",
    ],
    ["no key id", seedOf([{}] as never), "ValidationException keys[0].keyId: it is missing"],
    [
      "a key id in capitals",
      seedOf([{ keyId: KEY.replace("8", "A") }]),
      "ValidationException keys[0].keyId: it must be a lower-case UUID",
    ],
    [
      "multiRegion of a UUID",
      key({ multiRegion: true }),
      "ValidationException keys[0].multiRegion: it must",
    ],
    [
      "enabled as text",
      key({ enabled: "yes" }),
      "ValidationException keys[0].enabled: 1 validation error",
    ],
    [
      "a spec that is none",
      key({ keySpec: "AES" }),
      "ValidationException keys[0].keySpec: 1 validation error",
    ],
    [
      "a spec as a number",
      key({ keySpec: 1 }),
      "ValidationException keys[0].keySpec: it must be text",
    ],
    [
      "a spec without usage",
      key({ keySpec: "RSA_2048" }),
      "ValidationException keys[0].keyUsage: You must specify",
    ],
    [
      "rotation too often",
      key({ rotation: { periodInDays: 89 } }),
      "ValidationException keys[0].rotation.periodInDays: ",
    ],
    [
      "rotation of more",
      key({ rotation: { days: 89 } }),
      "ValidationException keys[0].rotation.days: there is no",
    ],
    [
      "rotation of imported material",
      key({ origin: "EXTERNAL", rotation: { periodInDays: 90 } }),
      "ValidationException keys[0].rotation: only symmetric",
    ],
    [
      "a malformed policy",
      key({ policy: { Statement: [] } }),
      "MalformedPolicyDocumentException keys[0].policy: A policy needs at",
    ],
    [
      "a policy that JSON cannot say",
      key({ policy: { Version: [Number.NaN] } }),
      "ValidationException keys[0].policy.Version[0]: JSON has no",
    ],
    [
      "a policy with a date",
      key({ policy: { Version: new Date(0) } }),
      "ValidationException keys[0].policy.Version: JSON has no",
    ],
    [
      "a tag that is a number",
      key({ tags: { "cost center": 7 } }),
      'ValidationException keys[0].tags["cost center"]: it must be text',
    ],
    [
      "a reserved tag",
      key({ tags: { "aws:a": "" } }),
      "TagException keys[0].tags.aws:a: Tags beginning with aws:",
    ],
    [
      "an alias without alias/",
      key({ aliases: ["alias/a", "b"] }),
      "ValidationException keys[0].aliases[1]: Alias must start",
    ],
    [
      "a reserved alias",
      key({ aliases: ["alias/aws/s3"] }),
      "NotAuthorizedException keys[0].aliases[0]: ",
    ],
    [
      "51 aliases",
      key({ aliases: Array.from({ length: 51 }, (_, i) => `alias/${i}`) }),
      "ValidationException keys[0].aliases: a key has at most 50",
    ],
    [
      "a principal of no kind",
      seedOf([], [{ arn: "alice" }]),
      "ValidationException principals[0]: a principal's ARN must be",
    ],
    [
      "a policy of a principal",
      principal({ policies: { a: keyPolicy("kms:*") } }),
      "MalformedPolicyDocumentException principals[0].policies.a: Statement 1 names principals",
    ],
    [
      "a boundary without a policy",
      principal({ boundary: { name: "b" } }),
      "ValidationException principals[0].boundary.policy: it must be a map",
    ],
    [
      "a boundary with more",
      principal({ boundary: { text: "b" } }),
      "ValidationException principals[0].boundary.text: there is no",
    ],
    [
      "a group that is a number",
      principal({ groups: [7] }),
      "ValidationException principals[0].groups[0]: it must be text",
    ],
    [
      "a group that is a user",
      principal({ groups: [ALICE] }),
      "ValidationException principals[0]: ",
    ],
    [
      "a key twice",
      seedOf([{ keyId: KEY }, { keyId: KEY }]),
      "ValidationException keys[1].keyId: it is at keys[0].keyId already",
    ],
    [
      "a key in both forms of its id",
      seedOf([{ keyId: KEY }, { keyId: `mrk-${KEY.replaceAll("-", "")}` }]),
      "ValidationException keys[1].keyId: it is at keys[0].keyId already",
    ],
    [
      "an alias twice",
      seedOf([
        { keyId: KEY, aliases: ["alias/a"] },
        { keyId: OTHER, aliases: ["alias/b", "alias/a"] },
      ]),
      "ValidationException keys[1].aliases[1]: it is at keys[0].aliases[0] already",
    ],
    [
      "a region that is not one",
      key({ region: "Paris" }),
      "ValidationException keys[0].region: it must be 1 to 32 of a-z, 0-9 and dashes",
    ],
    [
      "replicas of another key than a multi-Region key",
      key({ replicas: [{ region: "eu-1" }] }),
      "ValidationException keys[0].replicas: only multi-Region keys have replicas",
    ],
    [
      "a replica without a region",
      multi({}),
      "ValidationException keys[0].replicas[0].region: it must be 1 to 32 of",
    ],
    [
      "a rotation of a replica",
      multi({ region: "eu-1", rotation: { periodInDays: 90 } }),
      "ValidationException keys[0].replicas[0].rotation: there is no such member. There are region,",
    ],
    [
      "a replica in the region of the primary key",
      seedOf([{ keyId: MULTI, region: "eu-1", replicas: [{ region: "eu-1" }] }]),
      "ValidationException keys[0].replicas[0].region: it is at keys[0].region already",
    ],
    [
      "one key id in two regions",
      seedOf([{ keyId: MULTI }, { keyId: MULTI, region: "eu-1" }]),
      "ValidationException keys[1].keyId: it is at keys[0].keyId already",
    ],
    [
      "an alias twice in one region",
      seedOf([
        { keyId: MULTI, replicas: [{ region: "eu-1", aliases: ["alias/a"] }] },
        { keyId: OTHER, region: "eu-1", aliases: ["alias/a"] },
      ]),
      "ValidationException keys[1].aliases[0]: it is at keys[0].replicas[0].aliases[0] already",
    ],
    [
      "a principal twice",
      seedOf([], [{ arn: ALICE }, { arn: ALICE }]),
      "ValidationException principals[1].arn: it is at",
    ],
  ])("refuses %s and names the place", (_, value, message) => {
    expect(refusal(value).slice(0, message.length)).toBe(message);
  });

  it("names every unknown member by its place, wherever it is", () => {
    expect(refusal(principal({ policy: identityPolicy("kms:*") }))).toContain(
      "principals[0].policy:",
    );
  });
});

describe("fixed key material", () => {
  const seed = (material: unknown, more: object = {}): unknown => ({
    version: 1,
    insecureFixedMaterial: true,
    keys: [{ keyId: KEY, material, ...more }],
  });
  const allowed = { insecureFixedMaterial: true };

  it("is taken where the seed says so and the caller does", () => {
    const [key_] = parseSeed(seed([MATERIAL]), allowed).keys;
    expect(key_?.material?.map((one) => one.export().toString("base64"))).toEqual([MATERIAL]);
  });

  it("is refused where only one of them does", () => {
    expect(refusal(seed([MATERIAL]))).toMatch(/^ValidationException insecureFixedMaterial: /);
    expect(refusal(seed(undefined))).toMatch(/^ValidationException insecureFixedMaterial: /);
    expect(refusal(key({ material: [MATERIAL] }), allowed)).toMatch(
      /^ValidationException keys\[0\].material: .*for tests only/,
    );
  });

  it.each([
    ["too short", [Buffer.alloc(31, 9).toString("base64")], "[0]: it must be 32 bytes in base64"],
    ["too long", [MATERIAL, Buffer.alloc(33, 9).toString("base64")], "[1]: it must be 32 bytes in"],
    ["hex", [Buffer.alloc(32, 9).toString("hex")], "[0]: it must be 32 bytes in base64"],
    ["base64 with spaces", [`${MATERIAL.slice(0, -1)} =`], "[0]: it must be 32 bytes in base64"],
    ["a number", [7], "[0]: it must be 32 bytes in base64"],
    ["text", MATERIAL, ": it must be a list"],
    ["no version", [], ": it must have 1 to 26 versions"],
    ["27 versions", Array.from({ length: 27 }, () => MATERIAL), ": it must have 1 to 26 versions"],
  ])("is refused where it is %s, and not quoted", (_, material, message) => {
    const refused = refusal(seed(material), allowed);
    expect(refused).toContain(`keys[0].material${message}`);
    expect(refused).not.toMatch(/BwcHBw|CQkJ|0909/);
  });

  it("is refused for keys of another kind", () => {
    const hmac = { keySpec: "HMAC_256", keyUsage: "GENERATE_VERIFY_MAC" };
    for (const kind of [hmac, { origin: "EXTERNAL" }]) {
      expect(refusal(seed([MATERIAL], kind), allowed)).toContain(
        "keys[0].material: only symmetric",
      );
    }
  });
});

import { inspect } from "node:util";
import { rejection } from "@env/testkit/refusal";
import { describe, expect, it } from "vitest";
import { KmsError } from "../../src/catalogue/errors.ts";
import { all, constraint, each, missing } from "../../src/requests/violations.ts";
import { bytes } from "../support/kinds.ts";
import { newKey, refusal, tempKeystore } from "../support/keystore.ts";

function thrown(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return "nothing was thrown";
}

const at = (field: string, must: string, value = ""): string =>
  `Value${value} at '${field}' failed to satisfy constraint: Member must ${must}`;

const fails = (error: Error) => (): never => {
  throw error;
};

describe("all", () => {
  it("gives what every check returned, by name", () => {
    expect(all({ a: () => 1, b: () => "x" })).toEqual({ a: 1, b: "x" });
  });

  it("names everything that is wrong, in order and counted", () => {
    const error = thrown(() =>
      all({
        a: fails(missing("a")),
        b: () => 1,
        c: () => all({ d: fails(constraint("d", "be d", 5)), e: fails(constraint("e", "be e")) }),
      }),
    );
    expect(String(error)).toBe(
      `ValidationException: 3 validation errors detected: ${at("a", "not be null", " null")}; ${at("d", "be d", " '5'")}; ${at("e", "be e")}`,
    );
  });

  it("names one as AWS names one", () => {
    expect(String(thrown(() => all({ a: fails(missing("a")), b: () => 1 })))).toBe(
      `ValidationException: 1 validation error detected: ${at("a", "not be null", " null")}`,
    );
  });

  it("says how members go together only once each is in order", () => {
    const other = new KmsError("TagException", "Too many tags");
    const late = new KmsError("ValidationException", "late");
    expect(thrown(() => all({ a: fails(other), b: fails(late) }))).toBe(other);
    expect(String(thrown(() => all({ a: fails(other), b: fails(missing("b")) })))).toContain(
      "1 validation error detected",
    );
  });

  it("hides no mistake of the program behind a violation", () => {
    const mistake = new TypeError("a bug");
    expect(thrown(() => all({ a: fails(missing("a")), b: fails(mistake) }))).toBe(mistake);
  });

  it("wipes the bytes that nobody gets", () => {
    const copy = bytes(4);
    thrown(() => all({ copy: () => copy, a: fails(missing("a")) }));
    expect(copy).toEqual(new Uint8Array(4));
    const kept = bytes(4);
    expect(all({ kept: () => kept }).kept).toEqual(bytes(4));
  });
});

it("each gives the results in order, or what is wrong with any item", () => {
  expect(each([1, 2], (one, i) => one * 10 + i)).toEqual([10, 21]);
  const error = thrown(() => each(["a", "b"], (one) => fails(constraint(one, "be"))()));
  expect(String(error)).toContain("2 validation errors detected: Value at 'a'");
});

it("an error shows its problems once", () => {
  const text = inspect(constraint("field", "be"));
  expect(text.split("Value at 'field'")).toHaveLength(2);
});

describe("a request of which several members are wrong", () => {
  it("reports all of them at once", async () => {
    const { client } = await tempKeystore();
    const request = {
      KeyId: "",
      Plaintext: new Uint8Array(0),
      EncryptionAlgorithm: "ROT13",
      GrantTokens: ["x", ""],
      DryRun: "yes" as unknown as boolean,
    };
    expect(await refusal(client.encrypt(request))).toBe(
      `ValidationException: 5 validation errors detected: ${[
        at("keyId", "have length greater than or equal to 1", " ''"),
        at(
          "encryptionAlgorithm",
          "satisfy enum value set: [SYMMETRIC_DEFAULT, RSAES_OAEP_SHA_1, RSAES_OAEP_SHA_256]",
          " 'ROT13'",
        ),
        at("plaintext", "have length greater than or equal to 1"),
        at("grantTokens.2.member", "have length greater than or equal to 1", " ''"),
        at("dryRun", "be true or false"),
      ].join("; ")}`,
    );
  });

  it("reports everything that is wrong with one member", async () => {
    const { client } = await tempKeystore();
    const AliasName = `alias/${"!".repeat(251)}`;
    const TargetKeyId = await newKey(client);
    expect(await refusal(client.createAlias({ AliasName, TargetKeyId }))).toBe(
      `ValidationException: 2 validation errors detected: ${at("aliasName", "have length less than or equal to 256", ` '${AliasName}'`)}; ${at("aliasName", "satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$", ` '${AliasName}'`)}`,
    );
  });

  it("reports every invalid tag, key and value", async () => {
    const { client } = await tempKeystore();
    const Tags = [
      { TagKey: "", TagValue: "x".repeat(257) },
      { TagKey: "a", TagValue: "" },
      { TagKey: "x".repeat(129), TagValue: "" },
    ];
    const error = await rejection(client.createKey({ KeySpec: "DES", KeyUsage: "FUN", Tags }));
    const places = [...error.message.matchAll(/at '([^']+)'/g)].map(([, place]) => place);
    expect(places).toEqual([
      "keySpec",
      "keyUsage",
      "tags.1.member.tagKey",
      "tags.1.member.tagValue",
      "tags.3.member.tagKey",
    ]);
    expect(error.message).toMatch(/^5 validation errors detected: /);
  });

  it("keeps no copy of a plaintext that another member spoils", async () => {
    const { client } = await tempKeystore();
    const Plaintext = bytes(64);
    const copies: Uint8Array[] = [];
    const From = Uint8Array;
    globalThis.Uint8Array = new Proxy(From, {
      construct(target, args: [Uint8Array]) {
        const made = new target(...args);
        if (args[0] === Plaintext) copies.push(made);
        return made;
      },
    });
    try {
      await rejection(client.encrypt({ KeyId: "", Plaintext }));
    } finally {
      globalThis.Uint8Array = From;
    }
    expect(copies).toEqual([new Uint8Array(64)]);
  });
});

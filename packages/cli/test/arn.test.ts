import { describe, expect, it } from "vitest";
import { principalArn } from "@env/kms";
import { keyArn, shortKey, shortPrincipal } from "../src/arn.ts";

const realm = { accountId: "111122223333", region: "local" };
const id = "01234567-89ab-cdef-0123-456789abcdef";

describe("principals", () => {
  it.each([
    ["root", "arn:aws:iam::111122223333:root"],
    ["user/alice", "arn:aws:iam::111122223333:user/alice"],
    ["user/a/path/alice", "arn:aws:iam::111122223333:user/a/path/alice"],
    ["role/app", "arn:aws:iam::111122223333:role/app"],
    ["assumed-role/app/one", "arn:aws:sts::111122223333:assumed-role/app/one"],
    ["federated-user/bob", "arn:aws:sts::111122223333:federated-user/bob"],
  ])("%s is short for %s, and the other way round", (short, arn) => {
    expect(principalArn(short, realm)).toBe(arn);
    expect(shortPrincipal(arn, realm)).toBe(short);
  });

  it.each([
    "s3.amazonaws.com",
    "arn:aws:iam::000000000000:user/alice",
    "alice",
    "group/x",
    "user/",
  ])("leaves %s as it is", (text) => {
    expect(principalArn(text, realm)).toBe(text);
    expect(shortPrincipal(text, realm)).toBe(text);
  });

  it("does not shorten what the short name would not mean", () => {
    const odd = "arn:aws:sts::111122223333:user/alice";
    expect(shortPrincipal(odd, realm)).toBe(odd);
  });
});

describe("keys", () => {
  it.each([
    [id, `arn:aws:kms:local:111122223333:key/${id}`],
    [`mrk-${"0".repeat(32)}`, `arn:aws:kms:local:111122223333:key/mrk-${"0".repeat(32)}`],
    ["alias/app", "arn:aws:kms:local:111122223333:alias/app"],
  ])("%s is short for %s", (short, arn) => {
    expect(keyArn(short, realm)).toBe(arn);
    expect(`key/${short}`.endsWith(shortKey(arn, realm))).toBe(true);
  });

  it("leaves everything else as it is", () => {
    const foreign = `arn:aws:kms:local:000000000000:key/${id}`;
    for (const text of ["app", foreign, `${id}x`]) {
      expect(keyArn(text, realm)).toBe(text);
      expect(shortKey(text, realm)).toBe(text);
    }
  });
});

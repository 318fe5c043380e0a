import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { tempFolder } from "@env/testkit/folder";
import { rejection } from "@env/testkit/refusal";
import { jwtVerify } from "jose";
import { expect, it } from "vitest";
import { IssuerKeys } from "../../src/query/issuer-keys.ts";
import { startedIssuer } from "../support/issuer.ts";

it("gives up on an issuer that hangs", async () => {
  const issuer = await startedIssuer();
  const keys = new IssuerKeys({}, 50);
  const token = await issuer.token();
  issuer.answer = () => undefined;
  expect((await rejection(jwtVerify(token, await keys.of(issuer.url)))).name).toBe(
    "IDPCommunicationError",
  );
});

it("is given only files with key sets", () => {
  const file = join(tempFolder(), "keys.json");
  const make = (): IssuerKeys => new IssuerKeys({ "https://issuer.example": file });
  expect(make).toThrow("ENOENT");
  for (const text of ["", "{}", '{"keys":1}']) {
    writeFileSync(file, text);
    expect(make, text).toThrow(
      new TypeError("the keys of https://issuer.example must be a JSON Web Key Set"),
    );
  }
});

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { cryptoClauses } from "../src/crypto/harness.ts";
import { abilities, clauses } from "../src/harness.ts";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

describe("the README", () => {
  it("states the clauses as the code does", () => {
    const rows = [...readme.matchAll(/^\| (D\d+) +\| (.*?) +\|$/gm)];
    expect(rows.map(([, clause, text]) => [clause, text])).toEqual(Object.entries(clauses));
    const crypto = [...readme.matchAll(/^\| (B\d+) +\| (.*?) +\|$/gm)];
    expect(crypto.map(([, clause, text]) => [clause, text])).toEqual(Object.entries(cryptoClauses));
  });

  it("explains every ability of a setup", () => {
    const named = [...readme.matchAll(/`(\w+)(?:\(\))?`/g)].map(([, name]) => name);
    expect(named).toEqual(expect.arrayContaining([...abilities]));
  });

  it("has the headings every README of a test kit has", () => {
    expect([...readme.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading)).toEqual([
      "Test your adapter in ten lines",
      "The clauses",
      "Test your crypto backend",
      "Vectors",
      "Why a case may be skipped",
      "Requirements",
    ]);
  });
});

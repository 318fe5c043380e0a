import { expect, it } from "vitest";
import { refusing, rejection } from "../src/refusal.ts";

class Refusal extends Error {
  readonly code: string;

  constructor(code: string) {
    super(`refused: ${code}`);
    this.code = code;
  }
}

const refuses = refusing((error): error is Refusal => error instanceof Refusal);

it("returns what a promise is rejected with, and takes no other outcome", async () => {
  const error = new Error("no");
  await expect(rejection(Promise.reject(error))).resolves.toBe(error);
  await expect(rejection(Promise.resolve(error))).rejects.toThrow("was not rejected");
  await expect(rejection(Promise.reject([]))).rejects.toThrow("was not rejected");
});

it("returns the refusal with the expected code, thrown or rejected", async () => {
  const error = new Refusal("A");
  await expect(refuses("A", () => Promise.reject(error))).resolves.toBe(error);
  const thrown = refuses("A", () => {
    throw error;
  });
  await expect(thrown).resolves.toBe(error);
});

it("fails with another code, without a refusal, and with an error of another kind", async () => {
  await expect(refuses("A", () => Promise.reject(new Refusal("B")))).rejects.toThrow("refused: B");
  await expect(refuses("A", () => 7)).rejects.toThrow("expected A, got 7");
  const other = new RangeError("other");
  await expect(refuses("A", () => Promise.reject(other))).rejects.toBe(other);
});

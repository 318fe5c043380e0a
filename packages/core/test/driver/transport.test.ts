import { afterEach, describe, expect, it, vi } from "vitest";
import { isPrivateOrigin, unverifiedTls } from "@env/core/driver";

afterEach(() => {
  vi.unstubAllEnvs();
});

describe("an origin", () => {
  it.each([
    "https://kms.example",
    "http://localhost:8080",
    "http://127.0.0.1",
    "http://127.9.9.9:1",
    "http://[::1]:8200",
  ])("is private: %s", (url) => {
    expect(isPrivateOrigin(new URL(url))).toBe(true);
  });

  it.each([
    "http://kms.example",
    "http://localhost.example",
    "http://192.0.2.2",
    "http://127.0.0.1.example",
    "http://[::2]",
    "http://0.0.0.0",
    "ftp://localhost",
  ])("is not private: %s", (url) => {
    expect(isPrivateOrigin(new URL(url))).toBe(false);
  });
});

it("tells that certificates are not verified, as Node decides it", () => {
  vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", undefined);
  expect(unverifiedTls()).toBeUndefined();
  vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "1");
  expect(unverifiedTls()).toBeUndefined();
  vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "0");
  expect(unverifiedTls()).toContain("unset it");
});

import {
  checkOrigin,
  checkSettings,
  flag,
  milliseconds,
  misuse,
  oneOf,
  text,
  wholeNumber,
} from "@env/core/driver";
import { expect, it } from "vitest";

const rules = {
  key: { key: undefined, timeout: milliseconds(100), mode: oneOf("a", "b"), insecure: flag },
  connection: {
    region: text(/^[a-z]+$/, "the name of a region"),
    maxAttempts: wholeNumber(Infinity, "a whole number, at least 1"),
  },
  client: { methods: ["encrypt"], must: "be a client", has: "region" },
};
const client = { encrypt: () => undefined };

it.each([
  {},
  { key: 7, timeout: 100, mode: "b", insecure: false, region: "eu", maxAttempts: 1 },
  { client, timeout: undefined, region: undefined },
])("accepts %o", (options) => {
  expect(() => checkSettings(options, rules, misuse)).not.toThrow();
});

it.each<[object, Error]>([
  [null as never, new TypeError("options are required")],
  [{ regoin: "eu" }, new TypeError('unknown option "regoin"')],
  [{ regoin: undefined }, new TypeError('unknown option "regoin"')],
  [{ timeout: 101 }, new RangeError("timeout must be a whole number of milliseconds, 1 to 100")],
  [{ timeout: "1" }, new TypeError("timeout must be a whole number of milliseconds, 1 to 100")],
  [{ maxAttempts: 0.5 }, new RangeError("maxAttempts must be a whole number, at least 1")],
  [{ mode: "c" }, new TypeError("mode must be a or b")],
  [{ insecure: 1 }, new TypeError("insecure must be a boolean")],
  [{ region: "EU" }, new TypeError("region must be the name of a region")],
  [{ client: {} }, new TypeError("client must be a client")],
  [{ client: null }, new TypeError("client must be a client")],
  [{ client, region: "eu" }, new TypeError("a client has its own region; pass either, not both")],
])("refuses %o", (options, error) => {
  expect(() => checkSettings(options, rules, misuse)).toThrow(error);
});

const secure = { insecure: false, fault: misuse, path: false };

it.each([
  [7, secure, "endpoint must be a URL"],
  ["http://kms.example", secure, /^endpoint must be https, or http to this machine/],
  ["ftp://kms.example", { ...secure, insecure: true }, /^endpoint must be https/],
  ["https://u:p@kms.example", secure, /without credentials, path, query or fragment$/],
  ["https://kms.example/path", secure, /without credentials, path, query or fragment$/],
  [
    "https://kms.example/path?q",
    { ...secure, path: true },
    /without credentials, query or fragment$/,
  ],
])("refuses the endpoint %s", (endpoint, options, problem) => {
  expect(() => checkOrigin("endpoint", endpoint, options)).toThrow(problem);
});

it.each([
  ["https://kms.example", secure],
  ["http://127.0.0.1:8080", secure],
  ["http://kms.example", { ...secure, insecure: true }],
  ["https://kms.example/path", { ...secure, path: true }],
])("accepts the endpoint %s", (endpoint, options) => {
  expect(checkOrigin("endpoint", endpoint, options).origin).toBe(new URL(endpoint).origin);
});

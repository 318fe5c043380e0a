import {
  checkOrigin,
  checkSettings,
  flag,
  list,
  milliseconds,
  misuse,
  oneOf,
  text,
  wholeNumber,
  type OptionTable,
} from "@env/core/driver";
import { expect, it } from "vitest";

interface Key {
  readonly key?: unknown;
  readonly alsoUnwrap?: readonly string[] | undefined;
  readonly timeout?: number | undefined;
  readonly mode?: "a" | "b" | undefined;
  readonly insecure?: boolean | undefined;
}

const table: OptionTable<
  Key,
  { readonly region?: string; readonly maxAttempts?: number },
  { encrypt(): void },
  object
> = {
  key: {
    key: { default: 0 },
    alsoUnwrap: { ...list((name) => name !== "", "names"), default: ["old"] },
    timeout: { ...milliseconds(100), default: 50 },
    mode: { ...oneOf("a", "b"), default: "a" },
    insecure: { ...flag, default: false },
  },
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
  expect(() => checkSettings(options, table, misuse)).not.toThrow();
});

it.each<[object, Error]>([
  [null as never, new TypeError("options are required")],
  [{ regoin: "eu" }, new TypeError('unknown option "regoin"')],
  [{ regoin: undefined }, new TypeError('unknown option "regoin"')],
  [{ timeout: 101 }, new RangeError("timeout must be a whole number of milliseconds, 1 to 100")],
  [{ timeout: "1" }, new TypeError("timeout must be a whole number of milliseconds, 1 to 100")],
  [{ maxAttempts: 0.5 }, new RangeError("maxAttempts must be a whole number, at least 1")],
  [{ mode: "c" }, new TypeError("mode must be a or b")],
  [{ mode: null }, new TypeError("mode must be a or b")],
  [{ alsoUnwrap: "name" }, new TypeError("alsoUnwrap must list names")],
  [{ alsoUnwrap: [""] }, new TypeError("alsoUnwrap must list names")],
  [{ alsoUnwrap: [7] }, new TypeError("alsoUnwrap must list names")],
  [{ insecure: 1 }, new TypeError("insecure must be a boolean")],
  [{ region: "EU" }, new TypeError("region must be the name of a region")],
  [{ client: {} }, new TypeError("client must be a client")],
  [{ client: null }, new TypeError("client must be a client")],
  [{ client, region: "eu" }, new TypeError("a client has its own region; pass either, not both")],
])("refuses %o", (options, error) => {
  expect(() => checkSettings(options, table, misuse)).toThrow(error);
});

it("requires an option of the key that has no default", () => {
  const required: OptionTable<{ readonly key: string }, object, object, object> = {
    connection: {},
    key: { key: text(/^k/, "a key") },
    client: { methods: [], must: "", has: "" },
  };
  expect(() => checkSettings({}, required, misuse)).toThrow(new TypeError("key must be a key"));
});

it("fills in the defaults of the key, and copies lists", () => {
  const alsoUnwrap = ["other"];
  const settings = checkSettings({ key: 7, alsoUnwrap, region: "eu" }, table, misuse);
  alsoUnwrap.pop();
  expect(settings).toEqual({
    key: 7,
    alsoUnwrap: ["other"],
    timeout: 50,
    mode: "a",
    insecure: false,
    client: undefined,
    connection: { region: "eu" },
  });
  expect(checkSettings({ client }, table, misuse)).toMatchObject({
    client,
    alsoUnwrap: ["old"],
    connection: {},
  });
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

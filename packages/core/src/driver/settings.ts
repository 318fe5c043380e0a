/**
 * Checks of an adapter's options. They call nothing, so a wrong configuration fails where it is written
 * and not at the first message. Problems repeat no value.
 *
 * @module
 */
import { memberOf } from "./members.ts";
import { isPrivateOrigin } from "./transport.ts";

/** Creates the error of a problem: a RangeError for a number out of range, otherwise a TypeError. */
export type Fault = (problem: string, Kind?: typeof RangeError) => Error;

/** Creates the errors of options that a program passed. */
export const misuse: Fault = (problem, Kind: ErrorConstructor = TypeError) => new Kind(problem);

/** What the value of an option must be. */
export interface OptionRule {
  /** The words after the option's name and "must". */
  readonly must: string;
  readonly accepts: (value: unknown) => boolean;
  /** What the value is, if not text: so a parameter of a URI is read, and a number can be out of range. */
  readonly kind?: "flag" | "list" | "number";
}

export function text(pattern: RegExp, be: string): OptionRule {
  return {
    must: `be ${be}`,
    accepts: (value) => typeof value === "string" && pattern.test(value),
  };
}

export function oneOf(...values: readonly string[]): OptionRule {
  return {
    must: `be ${values.join(" or ")}`,
    accepts: (value) => values.some((known) => known === value),
  };
}

export const flag: OptionRule = {
  must: "be a boolean",
  accepts: (value) => typeof value === "boolean",
  kind: "flag",
};

export function wholeNumber(max: number, be: string): OptionRule {
  const accepts = (value: unknown): boolean =>
    Number.isInteger(value) && Number(value) >= 1 && Number(value) <= max;
  return { must: `be ${be}`, accepts, kind: "number" };
}

/** The rule for `timeout`. */
export function milliseconds(max: number): OptionRule {
  return wholeNumber(max, `a whole number of milliseconds, 1 to ${max}`);
}

/** The rule for a list of texts; `of` are the words after "must list". */
export function list(accepts: (item: string) => boolean, of: string): OptionRule {
  return {
    must: `list ${of}`,
    accepts: (value) =>
      Array.isArray(value) && value.every((item) => typeof item === "string" && accepts(item)),
    kind: "list",
  };
}

/** All that is said about one option of an adapter. An option without a rule is checked by the adapter. */
export interface SettingRow extends Partial<OptionRule> {
  /** The value of an option that is left out. Without one, an option of the key is required. */
  readonly default?: unknown;
  /** The parameter of a URI that gives the option; `true` if it has the option's name. */
  readonly uri?: string | true;
  /** `true` if the opener of URIs accepts the option. */
  readonly opener?: true;
}

type Options<T, Opened> = {
  readonly [K in keyof T]-?: SettingRow &
    (K extends keyof Opened ? { readonly opener: true } : { readonly opener?: never });
};

/** An adapter's options, each said once: their checks, the URI and the opener derive from it. */
export interface OptionTable<
  Key extends object,
  Connection extends object,
  Client extends object,
  Opened extends object,
> {
  /** How the adapter makes its own client: not allowed beside one that is passed in. */
  readonly connection: Options<Connection, Opened>;
  /** The key, and how it is called. What may be left out has a default. */
  readonly key: Options<Key, Opened> & {
    readonly [K in keyof Key]-?: undefined extends Key[K]
      ? { readonly default: Exclude<Key[K], undefined> }
      : { readonly default?: never };
  };
  readonly client: {
    readonly methods: readonly (keyof Client & string)[];
    /** What a client must be or have, as the words after "must". */
    readonly must: string;
    /** What a client has of its own, instead of the options of the connection. */
    readonly has: string;
    readonly opener?: true;
  };
}

/** A table whose options are not known to the compiler. */
export interface AnyOptionTable {
  readonly connection: Readonly<Record<string, SettingRow>>;
  readonly key: Readonly<Record<string, SettingRow>>;
  readonly client: Omit<OptionTable<object, object, object, object>["client"], "methods"> & {
    readonly methods: readonly string[];
  };
}

/** A client of the user's own, or the options for the client that the adapter makes. */
export type Either<Own, Connection> =
  | (Own & { readonly [K in keyof Connection]?: never })
  | (Connection & { readonly [K in keyof Own]?: never });

/** Checked options: a copy, with the defaults. */
export type Checked<Key extends object, Connection extends object, Client extends object> = {
  readonly [K in keyof Key]-?: Exclude<Key[K], undefined>;
} & {
  /** `undefined` if the adapter makes its own, from `connection`. */
  readonly client: Client | undefined;
  /** The options of it that were given. */
  readonly connection: Connection;
};

/**
 * Checks options and takes a copy. Throws the fault for an option that is unknown or missing, breaks its rule, or
 * contradicts `client`.
 */
export function checkSettings<
  Key extends object,
  Connection extends object,
  Client extends object,
  Opened extends object,
>(
  options: object,
  table: OptionTable<Key, Connection, Client, Opened>,
  fault: Fault,
): Checked<Key, Connection, Client>;
export function checkSettings(
  options: object,
  { key, connection, client: { methods, must, has } }: AnyOptionTable,
  fault: Fault,
): object {
  if (typeof options !== "object" || options === null) throw fault("options are required");
  const rows = { ...key, ...connection };
  const unknown = Object.keys(options).find(
    (name) => name !== "client" && !Object.hasOwn(rows, name),
  );
  if (unknown !== undefined) throw fault(`unknown option ${JSON.stringify(unknown)}`);
  const given = new Map(Object.entries(options).filter(([, value]) => value !== undefined));
  const copyOf = (name: string, { accepts, must: rule, kind, ...row }: SettingRow): unknown => {
    const value: unknown = given.has(name) ? given.get(name) : row.default;
    if (accepts?.(value) === false) {
      const isOutOfRange = kind === "number" && typeof value === "number";
      throw fault(`${name} must ${rule}`, isOutOfRange ? RangeError : undefined);
    }
    return Array.isArray(value) ? [...value] : value;
  };
  const copy = (part: Readonly<Record<string, SettingRow>>, names: readonly string[]): object =>
    Object.fromEntries(names.map((name) => [name, copyOf(name, part[name] ?? {})]));
  const connecting = Object.keys(connection).filter((name) => given.has(name));
  const settings = { ...copy(key, Object.keys(key)), connection: copy(connection, connecting) };
  const client = given.get("client");
  if (client === undefined) return { ...settings, client };
  if (connecting.length > 0) throw fault(`a client has its own ${has}; pass either, not both`);
  if (!methods.every((name) => typeof memberOf(client, name) === "function")) {
    throw fault(`client must ${must}`);
  }
  return { ...settings, client };
}

/**
 * Checks where an adapter's own client is to call: data keys travel in the answers, so without TLS they
 * must not leave the machine.
 */
export function checkOrigin(
  name: string,
  origin: unknown,
  {
    insecure,
    fault,
    path,
  }: { readonly insecure: boolean; readonly fault: Fault; readonly path: boolean },
): URL {
  const url = typeof origin === "string" && URL.canParse(origin) ? new URL(origin) : undefined;
  if (url === undefined) throw fault(`${name} must be a URL`);
  if (!isPrivateOrigin(url) && !(insecure && url.protocol === "http:")) {
    throw fault(`${name} must be https, or http to this machine; insecure: true allows any http`);
  }
  const rest = [
    url.username,
    url.password,
    url.search,
    url.hash,
    path ? "" : url.pathname.slice(1),
  ];
  if (rest.some((part) => part !== "")) {
    const parts = path ? "credentials, query or fragment" : "credentials, path, query or fragment";
    throw fault(`${name} must be an origin without ${parts}`);
  }
  return url;
}

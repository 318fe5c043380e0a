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

/** What one option must be, as the words after "must be". */
export interface OptionRule {
  readonly be: string;
  readonly accepts: (value: unknown) => boolean;
  readonly isNumber?: boolean;
}

export function text(pattern: RegExp, be: string): OptionRule {
  return { be, accepts: (value) => typeof value === "string" && pattern.test(value) };
}

export function oneOf(...values: readonly string[]): OptionRule {
  return { be: values.join(" or "), accepts: (value) => values.some((known) => known === value) };
}

export const flag: OptionRule = { be: "a boolean", accepts: (value) => typeof value === "boolean" };

export function wholeNumber(max: number, be: string): OptionRule {
  const accepts = (value: unknown): boolean =>
    Number.isInteger(value) && Number(value) >= 1 && Number(value) <= max;
  return { be, accepts, isNumber: true };
}

/** The rule for `timeout`. */
export function milliseconds(max: number): OptionRule {
  return wholeNumber(max, `a whole number of milliseconds, 1 to ${max}`);
}

/** The options of an adapter. An option without a rule is checked by the adapter. */
export interface OptionRules {
  /** The key, and how it is called. */
  readonly key: Readonly<Record<string, OptionRule | undefined>>;
  /** How the adapter makes its own client: not allowed beside one that is passed in. */
  readonly connection: Readonly<Record<string, OptionRule | undefined>>;
  readonly client: {
    readonly methods: readonly string[];
    /** What a client must be or have, as the words after "must". */
    readonly must: string;
    /** What a client has of its own, instead of the options of the connection. */
    readonly has: string;
  };
}

/** Throws the fault for an option that is unknown, breaks its rule, or contradicts `client`. */
export function checkSettings(
  options: object,
  { key, connection, client: { methods, must, has } }: OptionRules,
  fault: Fault,
): void {
  if (typeof options !== "object" || options === null) throw fault("options are required");
  const rules = { ...key, ...connection };
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const unknown = Object.keys(options).find(
    (name) => name !== "client" && !Object.hasOwn(rules, name),
  );
  if (unknown !== undefined) throw fault(`unknown option ${JSON.stringify(unknown)}`);
  for (const [name, value] of given) {
    const rule = rules[name];
    if (rule === undefined || rule.accepts(value)) continue;
    const outOfRange = rule.isNumber === true && typeof value === "number";
    throw fault(`${name} must be ${rule.be}`, outOfRange ? RangeError : undefined);
  }
  const client = memberOf(options, "client");
  if (client === undefined) return;
  if (given.some(([name]) => Object.hasOwn(connection, name))) {
    throw fault(`a client has its own ${has}; pass either, not both`);
  }
  if (!methods.every((name) => typeof memberOf(client, name) === "function")) {
    throw fault(`client must ${must}`);
  }
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

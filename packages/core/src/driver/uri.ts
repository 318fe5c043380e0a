/**
 * CMK URIs: `<scheme>:<what names the key>?<parameters>`, a key in one line of configuration.
 *
 * A URI names things and never contains a secret. No error repeats any of it, since somebody may have put
 * a secret there anyway.
 *
 * @module
 */
import { EnvelopeError } from "../error.ts";
import type { AnyOptionTable, OptionTable } from "./settings.ts";

/** How a parameter is read. `any` is text that may be empty; a `list` may be given several times. */
export type ParameterKind = "text" | "any" | "flag" | "list";

export interface UriSyntax<P extends Readonly<Record<string, ParameterKind>>> {
  /** The scheme without its colon. */
  readonly scheme: string;
  readonly parameters: P;
  /** Whether the part before the question mark is a path, in which characters may have to be escaped. */
  readonly path?: boolean;
}

export interface UriParts<P extends Readonly<Record<string, ParameterKind>>> {
  /** The part before the question mark, still percent-encoded. */
  readonly where: string;
  readonly parameters: {
    -readonly [K in keyof P]?: P[K] extends "flag"
      ? boolean
      : P[K] extends "list"
        ? string[]
        : string;
  };
}

/** Returns the function that creates the error for a problem with a URI. */
export function uriFault(scheme: string): (problem: string) => EnvelopeError {
  return (problem) => new EnvelopeError("ERR_ENVELOPE_CONFIG", `${scheme} URI: ${problem}`);
}

/** @throws {@link EnvelopeError} `ERR_ENVELOPE_CONFIG` */
export function readUri<P extends Readonly<Record<string, ParameterKind>>>(
  uri: string,
  syntax: UriSyntax<P>,
): UriParts<P>;
export function readUri(
  uri: string,
  { scheme, parameters: kinds, path = false }: UriSyntax<Readonly<Record<string, ParameterKind>>>,
): { readonly where: string; readonly parameters: object } {
  const fault = uriFault(scheme);
  if (typeof uri !== "string" || !uri.startsWith(`${scheme}:`)) {
    throw fault(`it must start with ${scheme}:`);
  }
  const [where = "", query, ...more] = uri.slice(scheme.length + 1).split("?");
  if (more.length > 0) {
    throw fault(`it has more than one question mark${path ? "; write %3F in a path" : ""}`);
  }
  if (uri.includes("#")) throw fault(`it has a fragment${path ? "; write %23 in a path" : ""}`);
  const isEmpty = query === undefined || (path && query === "");
  const found = new Map<string, string | boolean | string[]>();
  for (const parameter of isEmpty ? [] : query.split("&")) {
    const [name = "", text = ""] = parameter.split(/=(.*)/s);
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    // Neither a name nor a value is repeated: either could be a secret.
    if (kind === undefined) {
      throw fault(`it has an unknown parameter; known are ${Object.keys(kinds).join(", ")}`);
    }
    const before = found.get(name);
    if (before !== undefined && kind !== "list") throw fault(`${name} is given twice`);
    const value = decodePart(text, name, fault);
    if (value === "" && kind !== "any") throw fault(`${name} is empty`);
    if (kind === "flag" && value !== "true" && value !== "false") {
      throw fault(`${name} must be true or false`);
    }
    if (kind === "flag") found.set(name, value === "true");
    else if (kind === "list") found.set(name, [...(Array.isArray(before) ? before : []), value]);
    else found.set(name, value);
  }
  return { where, parameters: Object.fromEntries(found) };
}

/** What a URI says: the options that its parameters give, and what the adapter reads itself. */
export interface UriOptions<Named, Further extends string> {
  /** The part before the question mark, still percent-encoded. */
  readonly where: string;
  readonly named: Partial<Named>;
  /** The parameters that are not options. */
  readonly further: Readonly<Partial<Record<Further, string>>>;
}

/**
 * Reads a URI whose parameters are in an adapter's table of options.
 *
 * @param names - Names of further parameters, which are text.
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_CONFIG`
 */
export function readOptions<
  Key extends object,
  Connection extends object,
  Client extends object,
  Opened extends object,
  Further extends string = never,
>(
  uri: string,
  scheme: string,
  table: OptionTable<Key, Connection, Client, Opened>,
  names?: readonly Further[],
): UriOptions<Key & Connection, Further>;
export function readOptions(
  uri: string,
  scheme: string,
  { connection, key }: AnyOptionTable,
  names: readonly string[] = [],
): UriOptions<object, string> {
  const kinds: Record<string, ParameterKind> = {};
  const options = new Map<string, string>();
  for (const [option, { uri: parameter, kind }] of Object.entries({ ...connection, ...key })) {
    if (parameter === undefined) continue;
    const name = parameter === true ? option : parameter;
    kinds[name] = kind === "flag" || kind === "list" ? kind : "text";
    options.set(name, option);
  }
  for (const name of names) kinds[name] = "text";
  const { where, parameters } = readUri(uri, { scheme, parameters: kinds });
  const named: Record<string, unknown> = {};
  const further: Record<string, string> = {};
  for (const [name, value] of Object.entries(parameters)) {
    const option = options.get(name);
    if (option !== undefined) named[option] = value;
    else if (typeof value === "string") further[name] = value;
  }
  return { where, named, further };
}

/** Decodes a part of a URI; `what` names it in the error. */
export function decodePart(text: string, what: string, fault: (problem: string) => Error): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw fault(`the ${what} has a malformed percent-encoding`);
  }
}

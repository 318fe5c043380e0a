/**
 * Patterns with `*`, any run of characters, and `?`, any one character.
 *
 * A pattern is a list of tokens and not text: what a policy variable puts into it stays literal, so a
 * value that contains a star matches only itself.
 *
 * Source: spec/authorization.md#patterns
 *
 * @module
 */

/** Stands for any run of characters, none among them. */
export const ANY: unique symbol = Symbol("*");
/** Stands for one character. */
export const ONE: unique symbol = Symbol("?");

/** Literal text, or a wildcard. */
export type Token = string | typeof ANY | typeof ONE;

export type Matcher = (value: string) => boolean;

/** Reads `*` and `?` as wildcards and all else as it is. */
export function tokens(text: string): Token[] {
  return text
    .split(/([*?])/)
    .filter((part) => part !== "")
    .map((part) => (part === "*" ? ANY : part === "?" ? ONE : part));
}

/** Matches whole values. */
export function matcher(pattern: readonly Token[]): Matcher {
  const parts = joined(pattern);
  const [first, second] = parts;
  if (parts.length === 0) return (value) => value === "";
  if (parts.length === 1 && first === ANY) return () => true;
  if (parts.length === 1 && typeof first === "string") return (value) => value === first;
  if (parts.length === 2 && typeof first === "string" && second === ANY) {
    return (value) => value.startsWith(first);
  }
  return (value) => matches(parts, value);
}

/** Matches `*` against everything, and every other pattern part by part as {@link arnMatcher} does. */
export function resourceMatcher(pattern: readonly Token[]): Matcher {
  return pattern.length === 1 && pattern[0] === ANY ? () => true : arnMatcher(pattern);
}

/**
 * Matches ARNs: each of the six parts between colons by itself, so no wildcard reaches into the next.
 * What has fewer parts is no ARN: as a pattern it matches nothing, as a value it is matched by nothing.
 */
export function arnMatcher(pattern: readonly Token[]): Matcher {
  const parts = arnParts(pattern)?.map(matcher);
  if (parts === undefined) return () => false;
  return (value) => {
    let from = 0;
    for (const [index, part] of parts.entries()) {
      const colon = index < parts.length - 1 ? value.indexOf(":", from) : value.length;
      if (colon === -1 || !part(value.slice(from, colon))) return false;
      from = colon + 1;
    }
    return true;
  };
}

/** The six parts of an ARN pattern; undefined if it has fewer. */
export function arnParts(pattern: readonly Token[]): readonly (readonly Token[])[] | undefined {
  const parts: Token[][] = [[]];
  for (const token of pattern) {
    const pieces: Token[] = typeof token === "string" ? token.split(":") : [token];
    for (const [index, piece] of pieces.entries()) {
      if (index > 0 && parts.length < ARN_PARTS) parts.push([]);
      else if (index > 0) parts.at(-1)?.push(":");
      if (piece !== "") parts.at(-1)?.push(piece);
    }
  }
  return parts.length === ARN_PARTS ? parts : undefined;
}

const ARN_PARTS = 6;

/** Neighbouring literals as one, and of neighbouring stars one. */
function joined(pattern: readonly Token[]): Token[] {
  const parts: Token[] = [];
  for (const token of pattern) {
    const last = parts.at(-1);
    if (typeof token === "string" && typeof last === "string")
      parts[parts.length - 1] = last + token;
    else if (token !== "" && !(token === ANY && last === ANY)) parts.push(token);
  }
  return parts;
}

/** Goes back to the last star only: an earlier one could not do better. */
function matches(parts: readonly Token[], value: string): boolean {
  let part = 0;
  let at = 0;
  let star = -1;
  let retry = 0;
  for (;;) {
    const token = parts[part];
    if (token === ANY) {
      star = part;
      part += 1;
      retry = at;
      continue;
    }
    if (token === undefined && at === value.length) return true;
    const taken = token === undefined ? -1 : length(token, value, at);
    if (taken >= 0) {
      part += 1;
      at += taken;
      continue;
    }
    if (star === -1 || retry >= value.length) return false;
    retry += 1;
    at = retry;
    part = star + 1;
  }
}

/** How many UTF-16 units of `value` a token takes; -1: it does not fit. */
function length(token: string | typeof ONE, value: string, at: number): number {
  if (typeof token === "string") return value.startsWith(token, at) ? token.length : -1;
  const code = value.codePointAt(at);
  return code === undefined ? -1 : code > 0xff_ff ? 2 : 1;
}

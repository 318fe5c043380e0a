/**
 * Patterns with `*`, any run of characters, and `?`, any one character.
 *
 * A pattern is a list of tokens and not text: what a policy variable puts into it stays literal, so a
 * value that contains a star matches only itself.
 *
 * Matching is linear in pattern and value. A segment is what is between two stars, and the leftmost place
 * where it fits is as good as any: a later one would leave less of the value for what follows. A segment
 * is found by the algorithm of Knuth, Morris and Pratt. One with `?` in it is several literals at fixed
 * distances, each of which is found that way; it fits where all of them do.
 *
 * Source: spec/authorization.md#patterns
 *
 * @module
 */
import { Meter } from "./meter.ts";

/** Stands for any run of characters, none among them. */
export const ANY: unique symbol = Symbol("*");
/** Stands for one character. */
export const ONE: unique symbol = Symbol("?");

/** Literal text, or a wildcard. */
export type Token = string | typeof ANY | typeof ONE;

/** Tells whether a whole value matches, and counts the steps that it took beyond a first comparison. */
export type Matcher = (value: string, meter?: Meter) => boolean;

/** Reads `*` and `?` as wildcards and all else as it is. */
export function tokens(text: string): Token[] {
  const found: Token[] = [];
  let start = 0;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit !== STAR && unit !== QUESTION_MARK) continue;
    if (at > start) found.push(text.slice(start, at));
    found.push(unit === STAR ? ANY : ONE);
    start = at + 1;
  }
  if (start < text.length) found.push(text.slice(start));
  return found;
}

const STAR = 0x2a;
const QUESTION_MARK = 0x3f;

/** Matches whole values. */
export function matcher(pattern: readonly Token[]): Matcher {
  const parts = joined(pattern);
  const [first, second, third] = parts;
  const { length } = parts;
  if (length === 0) return (value) => value === "";
  if (length === 1 && first === ANY) return () => true;
  if (length === 1 && typeof first === "string") return (value) => value === first;
  if (length === 2 && typeof first === "string" && second === ANY) {
    return (value) => value.startsWith(first);
  }
  if (length === 2 && first === ANY && typeof second === "string") {
    return (value) => value.endsWith(second);
  }
  if (length === 3 && typeof first === "string" && second === ANY && typeof third === "string") {
    const least = first.length + third.length;
    return (value) => value.length >= least && value.startsWith(first) && value.endsWith(third);
  }
  // Most patterns of a policy are never asked, so this waits until one is.
  let segments: readonly Segment[] | undefined;
  return (value, meter = new Meter()) => {
    segments ??= toSegments(parts);
    return matchSegments(segments, unitsOf(value), meter);
  };
}

/** Matches `*` against everything, and every other pattern part by part as {@link arnMatcher} does. */
export function resourceMatcher(pattern: readonly Token[]): Matcher {
  return isLoneStar(pattern) ? () => true : arnMatcher(pattern);
}

export function isLoneStar(pattern: readonly unknown[]): boolean {
  return pattern.length === 1 && pattern[0] === ANY;
}

/**
 * Matches ARNs: each of the six parts between colons by itself, so no wildcard reaches into the next.
 * What has fewer parts is not an ARN: as a pattern it matches nothing, as a value nothing matches it.
 */
export function arnMatcher(pattern: readonly Token[]): Matcher {
  const parts = arnParts(pattern)?.map(matcher);
  if (parts === undefined) return () => false;
  return (value, meter = new Meter()) => {
    let from = 0;
    for (const [index, part] of parts.entries()) {
      const colon = index < parts.length - 1 ? value.indexOf(":", from) : value.length;
      meter.spend(PART_STEPS + (((colon === -1 ? value.length : colon) - from) >> 4));
      if (colon === -1 || !part(value.slice(from, colon), meter)) return false;
      from = colon + 1;
    }
    return true;
  };
}

/** The cost of taking a part out of an ARN. The search for its end passes sixteen characters in a step. */
const PART_STEPS = 4;

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
  let literal: string[] = [];
  const close = (): void => {
    if (literal.length > 0) parts.push(literal.join(""));
    literal = [];
  };
  for (const token of pattern) {
    if (token === "") continue;
    if (typeof token === "string") {
      literal.push(token);
      continue;
    }
    close();
    if (token !== ANY || parts.at(-1) !== ANY) parts.push(token);
  }
  close();
  return parts;
}

/** Characters as numbers: UTF-16 units where a value has no surrogates, code points where it has. */
type Units = Uint16Array | Uint32Array;

/** The part of a pattern before, between or after stars. */
interface Segment {
  /** The length in characters, `?` included. */
  readonly length: number;
  readonly pieces: readonly Piece[];
}

/** A literal, and its place in its segment. */
interface Piece {
  readonly offset: number;
  readonly units: Units;
  /** The length of the longest proper prefix that ends at each position. */
  readonly borders: Uint32Array;
}

function toSegments(parts: readonly Token[]): Segment[] {
  const segments: { length: number; pieces: Piece[] }[] = [{ length: 0, pieces: [] }];
  for (const part of parts) {
    const segment = segments.at(-1);
    if (part === ANY || segment === undefined) {
      segments.push({ length: 0, pieces: [] });
    } else if (part === ONE) {
      segment.length += 1;
    } else {
      const units = unitsOf(part);
      segment.pieces.push({ offset: segment.length, units, borders: bordersOf(units) });
      segment.length += units.length;
    }
  }
  return segments;
}

/** The first segment begins the value, the last ends it; the others follow one another in between. */
function matchSegments(segments: readonly Segment[], value: Units, meter: Meter): boolean {
  meter.spend(1 + value.length);
  const [first, ...rest] = segments;
  const last = rest.pop();
  if (first === undefined) return false;
  if (last === undefined) {
    return first.length === value.length && fitsAt(first, value, 0, meter);
  }
  let from = first.length;
  const end = value.length - last.length;
  if (from > end || !fitsAt(first, value, 0, meter) || !fitsAt(last, value, end, meter)) {
    return false;
  }
  for (const segment of rest) {
    const at = find(segment, value, from, end, meter);
    if (at === -1) return false;
    from = at + segment.length;
  }
  return true;
}

function fitsAt({ pieces }: Segment, value: Units, at: number, meter: Meter): boolean {
  for (const { offset, units } of pieces) {
    meter.spend(units.length);
    for (let i = 0; i < units.length; i += 1) {
      if (units[i] !== value[at + offset + i]) return false;
    }
  }
  return true;
}

/** The first place from `from` on where a segment fits and ends before `end`; -1: there is none. */
function find(
  { length, pieces }: Segment,
  value: Units,
  from: number,
  end: number,
  meter: Meter,
): number {
  const places = end - from - length + 1;
  if (places < 1) return -1;
  const [first] = pieces;
  if (first === undefined) return from;
  if (pieces.length === 1) {
    // Where `?` follow the literal, it has to leave them their room.
    const start = from + first.offset;
    let found = -1;
    scan(first, value, start, start + places - 1 + first.units.length, meter, (at) => {
      found = at - first.offset;
      return true;
    });
    return found;
  }
  // How many of the pieces fit if the segment begins there.
  const fitting = new Uint16Array(places);
  for (const [index, piece] of pieces.entries()) {
    const start = from + piece.offset;
    let possible = false;
    scan(piece, value, start, start + places - 1 + piece.units.length, meter, (at) => {
      if (fitting[at - start] !== index) return false;
      fitting[at - start] = index + 1;
      possible = true;
      return false;
    });
    if (!possible) return -1;
  }
  return from + fitting.indexOf(pieces.length);
}

/** Calls `found` with every place of a piece within `from` to `end`, until it says that this will do. */
function scan(
  { units, borders }: Piece,
  value: Units,
  from: number,
  end: number,
  meter: Meter,
  found: (at: number) => boolean,
): void {
  let matched = 0;
  let at = from;
  for (; at < end; at += 1) {
    while (matched > 0 && units[matched] !== value[at]) matched = borders[matched - 1] ?? 0;
    if (units[matched] === value[at]) matched += 1;
    if (matched < units.length) continue;
    if (found(at + 1 - units.length)) break;
    matched = borders[matched - 1] ?? 0;
  }
  meter.spend(1 + Math.max(0, at - from));
}

function bordersOf(units: Units): Uint32Array {
  const borders = new Uint32Array(units.length);
  let matched = 0;
  for (let i = 1; i < units.length; i += 1) {
    while (matched > 0 && units[matched] !== units[i]) matched = borders[matched - 1] ?? 0;
    if (units[matched] === units[i]) matched += 1;
    borders[i] = matched;
  }
  return borders;
}

function unitsOf(text: string): Units {
  const units = new Uint16Array(text.length);
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if ((unit & 0xf8_00) === 0xd8_00) {
      return Uint32Array.from(Array.from(text), (character) => character.codePointAt(0) ?? 0);
    }
    units[i] = unit;
  }
  return units;
}

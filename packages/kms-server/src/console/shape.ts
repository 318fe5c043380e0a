/**
 * Shapes of requests: readers of values that a stranger has sent, which refuse what has another type.
 *
 * A member that is not known is refused: one that is merely misspelt would be quietly not there.
 *
 * @module
 */
import { KmsError } from "@env/kms";

/** Reads a value at a place in a request, such as `Requests[0].action`. @throws {@link KmsError} `ValidationException` */
export type Reader<T> = (value: unknown, place: string) => T;

type Read<Members> = {
  readonly [Name in keyof Members]?: Members[Name] extends Reader<infer T> ? T : never;
};

export const text: Reader<string> = (value, place) =>
  typeof value === "string" ? value : refuse(place, "must be text");

export const flag: Reader<boolean> = (value, place) =>
  typeof value === "boolean" ? value : refuse(place, "must be true or false");

/** Seconds since 1970, as in the protocol. */
export const time: Reader<Date> = (value, place) => {
  const date = new Date(typeof value === "number" ? value * 1000 : Number.NaN);
  return Number.isNaN(date.getTime()) ? refuse(place, "must be seconds since 1970") : date;
};

export function integer(min: number, max: number): Reader<number> {
  return (value, place) =>
    typeof value === "number" && Number.isInteger(value) && value >= min && value <= max
      ? value
      : refuse(place, `must be an integer from ${min} to ${max}`);
}

export function matching(pattern: RegExp): Reader<string> {
  return (value, place) =>
    typeof value === "string" && pattern.test(value) ? value : refuse(place, "is not valid");
}

export function oneOf<const T extends string>(...words: readonly T[]): Reader<T> {
  return (value, place) =>
    words.find((word) => word === value) ?? refuse(place, `must be ${words.join(" or ")}`);
}

export function listOf<T>(item: Reader<T>, min: number, max: number): Reader<readonly T[]> {
  return (value, place) => {
    if (!Array.isArray(value) || value.length < min || value.length > max) {
      return refuse(place, `must be a list of ${min} to ${max}`);
    }
    return value.map((one: unknown, i) => item(one, `${place}[${i}]`));
  };
}

/** A map of at most 1000 members to what `item` reads. */
export function mapOf<T>(item: Reader<T>): Reader<Readonly<Record<string, T>>> {
  return (value, place) => {
    const entries = Object.entries(isObject(value) ? value : refuse(place, "must be a map"));
    if (entries.length > MAX_MEMBERS) refuse(place, `must have at most ${MAX_MEMBERS} members`);
    return Object.fromEntries(entries.map(([name, one]) => [name, item(one, place)]));
  };
}

const MAX_MEMBERS = 1000;

/** Members that may all be absent; `null` is taken for absent, as in the protocol. */
export function structure<const Members extends Readonly<Record<string, Reader<unknown>>>>(
  members: Members,
): Reader<Read<Members>> {
  return (value, place) => {
    if (!isObject(value)) return refuse(place, "must be a structure");
    const read = Object.entries(value).flatMap(([name, given]) => {
      const reader = Object.hasOwn(members, name) ? members[name] : undefined;
      const inner = place === "" ? name : `${place}.${name}`;
      if (reader === undefined) return refuse(inner, "is not a member");
      return given === null ? [] : [[name, reader(given, inner)] as const];
    });
    // Each member was read by its own reader.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return Object.fromEntries(read) as Read<Members>;
  };
}

/** What must be there. @throws {@link KmsError} `ValidationException` */
export function required<T>(value: T | undefined, place: string): T {
  return value ?? refuse(place, "is missing");
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function refuse(place: string, problem: string): never {
  const where = place === "" ? "the request" : place.slice(0, 200);
  throw new KmsError("ValidationException", `${where} ${problem}`);
}

/**
 * Places in a seed, for what is wrong with it.
 *
 * @module
 */
import { KmsError } from "../catalogue/errors.ts";

/** Names of members and numbers of items, from the seed inwards; empty: the seed itself. */
export type Place = readonly (string | number)[];

/** What is wrong with a seed, and where. The message begins with the place as it is written. */
export class SeedError extends KmsError {
  /** `["keys", 2, "aliases", 0]`. Where a member is missing, there is nothing at its place. */
  readonly place: Place;
  /** Whether the member's name is wrong, or its value. */
  readonly of: "name" | "value";

  constructor(
    name: KmsError["name"],
    place: Place,
    message: string,
    of: "name" | "value" = "value",
  ) {
    super(name, `${written(place)}: ${message}`);
    this.place = place;
    this.of = of;
  }
}

/** `keys[2].aliases[0]`. */
export function written(place: Place): string {
  if (place.length === 0) return "the seed";
  return place.reduce<string>(
    (path, step) => (typeof step === "number" ? `${path}[${step}]` : memberPath(path, step)),
    "",
  );
}

/** `path.name`, or `path["na me"]` where it takes quotes to see the end of the name. */
export function memberPath(path: string, name: string): string {
  if (!/^[\w/:+=,@-]+$/.test(name)) return `${path}[${JSON.stringify(name)}]`;
  return path === "" ? name : `${path}.${name}`;
}

/**
 * Fields of a request: which there are, of what type, and the warnings about others.
 *
 * Source: OpenBao sdk/framework/backend.go, field_data.go
 *
 * @module
 */
import { refused, Refusal, type Json } from "./answer.ts";

type FieldType = "string" | "int" | "bool" | "duration" | "any";
export type Schema = Readonly<Record<string, FieldType>>;

/** Fields of a request by their types; what was not sent is `undefined`. */
export class Fields {
  readonly #values: Json;
  readonly warnings: readonly string[];

  /** @param captures - Fields from the path, which take precedence over the body. */
  constructor(schema: Schema, captures: Readonly<Record<string, string>>, body: Json) {
    const ignored = Object.keys(body).filter(
      (name) => !Object.hasOwn(schema, name) && !Object.hasOwn(captures, name),
    );
    const replaced = Object.keys(body).filter((name) => Object.hasOwn(captures, name));
    const warnings: string[] = [];
    if (ignored.length > 0) {
      warnings.push(
        `Endpoint ignored these unrecognized parameters: [${ignored.toSorted().join(" ")}]`,
      );
    }
    if (replaced.length > 0) {
      warnings.push(
        `Endpoint replaced the value of these parameters with the values captured from the endpoint's path: [${replaced.toSorted().join(" ")}]`,
      );
    }
    this.warnings = warnings;
    this.#values = { ...captures };
    for (const [name, type] of Object.entries(schema)) {
      const value = body[name];
      if (value === undefined || value === null || Object.hasOwn(captures, name)) continue;
      const converted = convert(value, type);
      if (converted === undefined) {
        throw new Refusal(
          400,
          `Field validation failed: error converting input for field ${JSON.stringify(name)}: '' expected type '${type}'`,
        );
      }
      this.#values[name] = converted;
    }
  }

  has(name: string): boolean {
    return this.#values[name] !== undefined;
  }

  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === "string" ? value : undefined;
  }

  number(name: string): number | undefined {
    const value = this.#values[name];
    return typeof value === "number" ? value : undefined;
  }

  flag(name: string): boolean | undefined {
    const value = this.#values[name];
    return typeof value === "boolean" ? value : undefined;
  }

  any(name: string): unknown {
    return this.#values[name];
  }

  /** A required text. */
  required(name: string, missing: string): string {
    const text = this.text(name);
    if (text === undefined) throw refused(missing);
    return text;
  }
}

/** Converts a value as weakly as Go's mapstructure: a number may be written as text. */
function convert(value: unknown, type: FieldType): unknown {
  switch (type) {
    case "any":
      return value;
    case "string":
      if (typeof value === "number" || typeof value === "boolean") return String(value);
      return typeof value === "string" ? value : undefined;
    case "duration":
      return duration(value);
    case "int":
      return integer(value);
    case "bool":
      if (value === "true" || value === "1" || value === 1) return true;
      if (value === "false" || value === "0" || value === 0 || value === "") return false;
      return typeof value === "boolean" ? value : undefined;
    default:
      return undefined;
  }
}

function integer(value: unknown): number | undefined {
  const number = typeof value === "string" && value !== "" ? Number(value) : value;
  return typeof number === "number" && Number.isInteger(number) ? number : undefined;
}

/** Parses a duration, and returns it in seconds. */
function duration(value: unknown): number | undefined {
  const [, digits, unit = "s"] = /^([0-9]+)([smhd])?$/.exec(String(value)) ?? [];
  if (digits === undefined) return undefined;
  return Number(digits) * ({ s: 1, m: 60, h: 3600, d: 86_400 }[unit] ?? 1);
}

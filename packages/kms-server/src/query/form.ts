/**
 * Requests of the query protocol: a form, whose lists and structures are in the names of its parameters
 * (`Tags.member.1.Key`).
 *
 * @module
 */
import { IamError } from "@env/kms/server";

/** The most parameters: fifty tags have a hundred. */
const MAX_PARAMETERS = 500;

export class Form {
  readonly #values: ReadonlyMap<string, string>;

  constructor(values: ReadonlyMap<string, string>) {
    this.#values = values;
  }

  /** Reads a body. @throws {@link IamError} `MalformedInput` for what is not a form, or has a parameter twice. */
  static parse(body: Uint8Array): Form {
    const values = new Map<string, string>();
    let text: string;
    try {
      text = new TextDecoder("utf-8", { fatal: true }).decode(body);
    } catch {
      throw malformed("the form is not UTF-8");
    }
    const pairs = text.split("&", MAX_PARAMETERS + 1).filter((pair) => pair !== "");
    if (pairs.length > MAX_PARAMETERS)
      throw malformed(`a form has at most ${MAX_PARAMETERS} parameters`);
    for (const pair of pairs) {
      const equals = pair.indexOf("=");
      const name = decode(equals === -1 ? pair : pair.slice(0, equals));
      if (values.has(name))
        throw malformed(`the parameter ${JSON.stringify(name.slice(0, 100))} is there twice`);
      values.set(name, equals === -1 ? "" : decode(pair.slice(equals + 1)));
    }
    return new Form(values);
  }

  get action(): string {
    return this.#values.get("Action") ?? "";
  }

  get version(): string {
    return this.#values.get("Version") ?? "";
  }

  get(name: string): string | undefined {
    return this.#values.get(name);
  }

  /** @throws {@link IamError} `ValidationError` */
  required(name: string): string {
    const value = this.#values.get(name);
    if (value !== undefined && value !== "") return value;
    const member = name.charAt(0).toLowerCase() + name.slice(1);
    throw new IamError(
      "ValidationError",
      `1 validation error detected: Value null at '${member}' failed to satisfy constraint: Member must not be null`,
    );
  }

  /** A whole number. @throws {@link IamError} `ValidationError` */
  integer(name: string): number | undefined {
    const text = this.get(name);
    if (text === undefined) return undefined;
    if (/^[0-9]{1,9}$/.test(text)) return Number(text);
    throw new IamError("ValidationError", `${name} must be a whole number`);
  }

  /**
   * A list of texts: `TagKeys.member.1`.
   *
   * @param member - What follows the number, where the text is the only member of a structure: `PolicyArns.member.1.arn`.
   */
  list(name: string, member = ""): readonly string[] {
    const found: string[] = [];
    for (let i = 1; ; i++) {
      const value = this.#values.get(`${name}.member.${i}${member}`);
      if (value === undefined) return found;
      found.push(value);
    }
  }

  /** Tags, by key. A key that is there twice is an error. */
  tags(): Record<string, string> {
    const found = new Map<string, string>();
    for (let i = 1; ; i++) {
      const key = this.#values.get(`Tags.member.${i}.Key`);
      if (key === undefined) return Object.fromEntries(found);
      if (found.has(key)) {
        throw new IamError(
          "InvalidInput",
          "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
        );
      }
      found.set(key, this.#values.get(`Tags.member.${i}.Value`) ?? "");
    }
  }

  /** What the record of the call may say. */
  get parameters(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.#values);
  }

  /**
   * That there are no parameters but those that the action has.
   *
   * @param known - Names, without what follows a dot.
   * @throws {@link IamError} `ValidationError` that names the parameter.
   */
  requireOnly(known: ReadonlySet<string>): void {
    for (const name of this.#values.keys()) {
      const [first = ""] = name.split(".", 1);
      if (known.has(first) || first === "Action" || first === "Version") continue;
      throw new IamError(
        "ValidationError",
        `The parameter ${JSON.stringify(first.slice(0, 100))} is not supported by ${this.action}.`,
      );
    }
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    throw malformed("the form is not percent-encoded UTF-8");
  }
}

function malformed(problem: string): IamError {
  return new IamError("MalformedInput", problem);
}

/**
 * An action of IAM or STS: its parameters, and what it does inside its transaction.
 *
 * @module
 */
import type { IamCall } from "@env/kms/server";
import type { Form } from "./form.ts";
import type { Xml } from "./xml.ts";

export interface Action {
  readonly readOnly: boolean;
  /** The names of its parameters, without what follows a dot. */
  readonly parameters: ReadonlySet<string>;
  /** Asks for permission, and does it. Actions without a result return nothing. */
  readonly run: (call: IamCall, form: Form) => Result | undefined;
}

export type Result = { readonly [name: string]: Xml | undefined };

/** @param parameters - Names, separated by spaces. */
export function reads(parameters: string, run: Action["run"]): Action {
  return { readOnly: true, parameters: new Set(parameters.split(" ")), run };
}

/** @param parameters - Names, separated by spaces. */
export function writes(parameters: string, run: Action["run"]): Action {
  return { ...reads(parameters, run), readOnly: false };
}

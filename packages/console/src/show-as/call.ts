/**
 * A call as data, to be shown in the words of other tools.
 *
 * @module
 */
export interface ShownCall {
  readonly service: "kms" | "iam" | "sts";
  /** `CreateKey` */
  readonly operation: string;
  readonly input: Readonly<Record<string, unknown>>;
  /** What `envelope` is called with for the same. Default: its command for the operation, if there is one. */
  readonly envelope?: string;
  /** HCL for the same. */
  readonly terraform?: string;
}

export function kmsCall(
  operation: string,
  input: Readonly<Record<string, unknown>>,
  more: Pick<ShownCall, "envelope" | "terraform"> = {},
): ShownCall {
  return { service: "kms", operation, input, ...more };
}

export function iamCall(
  operation: string,
  input: Readonly<Record<string, unknown>>,
  more: Pick<ShownCall, "envelope" | "terraform"> = {},
): ShownCall {
  return { service: "iam", operation, input, ...more };
}

/**
 * Which members of requests are bytes and which are times: a wire protocol has other types for them. The names follow from
 * the shapes of the requests: one that is missing here, or too many, does not compile.
 *
 * @module
 */
import type { OperationName } from "../catalogue/operations.ts";
import type { RequestOf } from "./operations.ts";

type Names<Request, Kind> = {
  [Name in keyof Request]-?: NonNullable<Request[Name]> extends Kind ? Name : never;
}[keyof Request];

/** The members of any request whose values are of a kind. */
type MembersOf<Kind> = { [Name in OperationName]: Names<RequestOf<Name>, Kind> }[OperationName];

const bytes: Readonly<Record<MembersOf<Uint8Array>, true>> = {
  CiphertextBlob: true,
  EncryptedKeyMaterial: true,
  ImportToken: true,
  Mac: true,
  Message: true,
  Plaintext: true,
  PublicKey: true,
  SharedSecretCiphertextBlob: true,
  Signature: true,
};

const dates: Readonly<Record<MembersOf<Date>, true>> = { ValidTo: true };

/** Members that are a `Uint8Array` in every request that has them. */
export const byteMembers: ReadonlySet<string> = new Set(Object.keys(bytes));

/** Members that are a `Date` in every request that has them. */
export const dateMembers: ReadonlySet<string> = new Set(Object.keys(dates));

/**
 * The operations as their users call them, and the types of requests and responses by AWS's names.
 *
 * @module
 */
import type { Member, OperationName } from "../catalogue/operations.ts";
import type {
  CustomKeyStoreOperations,
  EncryptionOperations,
  ImportOperations,
  KeyOperations,
  MessageOperations,
  PermissionOperations,
} from "./shapes.ts";

export interface KmsOperations
  extends
    CustomKeyStoreOperations,
    EncryptionOperations,
    ImportOperations,
    KeyOperations,
    MessageOperations,
    PermissionOperations {}

/** What the method of an operation takes. */
export type Parameter<Name extends OperationName> = Parameters<
  KmsOperations[Uncapitalize<Name>]
>[0];

/** The request of an operation. The members are those of its row in the catalogue: others do not compile. */
export type RequestOf<Name extends OperationName> = Agreeing<
  NonNullable<Parameter<Name>>,
  Member<Name>
>;

export type ResponseOf<Name extends OperationName> = Awaited<
  ReturnType<KmsOperations[Uncapitalize<Name>]>
>;

/** The shape of a request, if it has the members and no others. */
type Agreeing<Shape, Members> = [keyof Shape, Members] extends [Members, keyof Shape]
  ? Shape
  : { readonly differsIn: Exclude<keyof Shape, Members> | Exclude<Members, keyof Shape> };

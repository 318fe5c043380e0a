/**
 * How each operation of the catalogue is carried out. One that is missing does not compile.
 *
 * @module
 */
import { implementations as aliases } from "./aliases.ts";
import { implementations as asymmetric } from "./asymmetric.ts";
import { implementations as customKeyStores } from "./custom-key-stores.ts";
import { implementations as dataKeyPairs } from "./data-key-pairs.ts";
import { implementations as dataKeys } from "./data-keys.ts";
import { implementations as encryption } from "./encrypt.ts";
import { implementations as grants } from "./grants.ts";
import { implementations as imports } from "./import.ts";
import { implementations as keys } from "./keys.ts";
import { implementations as macs } from "./mac.ts";
import type { Implementations, Operation } from "./operation.ts";
import { implementations as multiRegion } from "./multi-region.ts";
import { implementations as policies } from "./policies.ts";
import { implementations as rotation } from "./rotation.ts";
import { implementations as signatures } from "./sign.ts";
import { implementations as tags } from "./tags.ts";
import type { OperationName } from "../catalogue/operations.ts";

/** Every operation, by the name of the method of the client. */
export const implementations: Implementations<OperationName> = {
  ...aliases,
  ...asymmetric,
  ...customKeyStores,
  ...dataKeyPairs,
  ...dataKeys,
  ...encryption,
  ...grants,
  ...imports,
  ...keys,
  ...macs,
  ...multiRegion,
  ...policies,
  ...rotation,
  ...signatures,
  ...tags,
};

const byName: ReadonlyMap<string, Operation> = new Map(
  Object.values(implementations).map((each) => [each.name, each]),
);

/** @param name - AWS's: `Encrypt`. */
export function operationNamed(name: string): Operation | undefined {
  return byName.get(name);
}

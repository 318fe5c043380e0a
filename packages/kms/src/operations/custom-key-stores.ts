/**
 * Custom key stores: every call is answered as AWS answers an account that has none. Nothing that a request says
 * of a key store is kept.
 *
 * @module
 */
import type { GeneralAction } from "../catalogue/actions.ts";
import { KmsError } from "../catalogue/errors.ts";
import * as check from "../requests/check.ts";
import { fromMarker, toPage } from "../requests/page.ts";
import type { CustomKeyStoreRequest } from "../requests/shapes.ts";
import { operation, type Implementations } from "./operation.ts";

const connectCustomKeyStore = operation(
  "ConnectCustomKeyStore",
  onKeyStore("ConnectCustomKeyStore"),
);

const deleteCustomKeyStore = operation("DeleteCustomKeyStore", onKeyStore("DeleteCustomKeyStore"));

const disconnectCustomKeyStore = operation(
  "DisconnectCustomKeyStore",
  onKeyStore("DisconnectCustomKeyStore"),
);

const updateCustomKeyStore = operation("UpdateCustomKeyStore", onKeyStore("UpdateCustomKeyStore"));

const createCustomKeyStore = operation("CreateCustomKeyStore", {
  parse: (request) =>
    check.all({
      name: () => check.text(request.CustomKeyStoreName, "customKeyStoreName", 1, 256),
      type: () =>
        check.oneOf(request.CustomKeyStoreType, "customKeyStoreType", [
          "AWS_CLOUDHSM",
          "EXTERNAL_KEY_STORE",
        ]),
    }),
  questions: () => ({ account: { on: "account", action: "CreateCustomKeyStore" } as const }),
  run: (_, { type }): never => {
    throw new KmsError(
      "UnsupportedOperationException",
      `CustomKeyStoreType ${type} is not supported by this KMS: all keys are in its own keystore`,
    );
  },
});

/** Lists none. */
const describeCustomKeyStores = operation("DescribeCustomKeyStores", {
  optional: true,
  parse: ({ CustomKeyStoreId, CustomKeyStoreName, Limit, Marker }) => {
    const { id, name } = check.all({
      id: () => keyStoreId(CustomKeyStoreId),
      name: () =>
        CustomKeyStoreName === undefined
          ? undefined
          : check.text(CustomKeyStoreName, "customKeyStoreName", 1, 256),
      limit: () => check.integer(Limit ?? 100, "limit", 1, 1000),
      // There is no second page, so no marker is one that this call returned.
      after: () => fromMarker(Marker, /^(?!)/),
    });
    if (id !== undefined && name !== undefined) {
      throw new KmsError(
        "ValidationException",
        "You cannot specify CustomKeyStoreId and CustomKeyStoreName in the same request.",
      );
    }
    return id ?? name;
  },
  questions: () => ({ account: { on: "account", action: "DescribeCustomKeyStores" } as const }),
  run: (_, wanted) => {
    if (wanted !== undefined) throw notFound(wanted);
    return { CustomKeyStores: [], ...toPage(undefined) };
  },
});

export const implementations: Implementations<
  | "ConnectCustomKeyStore"
  | "CreateCustomKeyStore"
  | "DeleteCustomKeyStore"
  | "DescribeCustomKeyStores"
  | "DisconnectCustomKeyStore"
  | "UpdateCustomKeyStore"
> = {
  connectCustomKeyStore,
  createCustomKeyStore,
  deleteCustomKeyStore,
  describeCustomKeyStores,
  disconnectCustomKeyStore,
  updateCustomKeyStore,
};

/**
 * Refuses a request that names a custom key store. As a key is, it is looked up before permission is asked for.
 *
 * @throws {@link KmsError} `CustomKeyStoreNotFoundException`
 */
export function requireNoCustomKeyStore(value: unknown): void {
  const id = keyStoreId(value);
  if (id !== undefined) throw notFound(id);
}

function keyStoreId(value: unknown): string | undefined {
  return value === undefined ? undefined : check.text(value, "customKeyStoreId", 1, 64);
}

/** An operation on one key store, which is not there. */
function onKeyStore<Action extends GeneralAction>(action: Action) {
  return {
    parse: ({ CustomKeyStoreId }: CustomKeyStoreRequest) =>
      check.text(CustomKeyStoreId, "customKeyStoreId", 1, 64),
    questions: () => ({ account: { on: "account", action } as const }),
    run: (_: unknown, id: string): never => {
      throw notFound(id);
    },
  };
}

function notFound(keyStore: string): KmsError {
  return new KmsError(
    "CustomKeyStoreNotFoundException",
    `Custom key store ${keyStore} does not exist.`,
  );
}

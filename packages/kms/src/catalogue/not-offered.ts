/**
 * What AWS KMS has and this KMS does not offer, one row each: policies may name it, so the linter and the
 * decisions know it.
 *
 * Sources: those of operations.ts
 *
 * @module
 */
import type { Row } from "./row.ts";

export const notOffered: Readonly<Record<string, Row>> = {
  ConnectCustomKeyStore: { on: "account", request: "CustomKeyStoreId" },
  CreateCustomKeyStore: {
    on: "account",
    request:
      "CustomKeyStoreName CloudHsmClusterId TrustAnchorCertificate KeyStorePassword CustomKeyStoreType XksProxyUriEndpoint XksProxyUriPath XksProxyVpcEndpointServiceName XksProxyVpcEndpointServiceOwner XksProxyAuthenticationCredential XksProxyConnectivity",
  },
  Decapsulate: {
    on: "key",
    open: ["accounts", "alias"],
    request: "KeyId SharedSecretCiphertextBlob EncapsulationAlgorithm GrantTokens DryRun",
  },
  DeleteCustomKeyStore: { on: "account", request: "CustomKeyStoreId" },
  DescribeCustomKeyStores: {
    on: "account",
    request: "CustomKeyStoreId CustomKeyStoreName Limit Marker",
  },
  DisconnectCustomKeyStore: { on: "account", request: "CustomKeyStoreId" },
  Encapsulate: {
    on: "key",
    open: ["accounts", "alias"],
    request: "KeyId EncapsulationAlgorithm GrantTokens DryRun",
  },
  GetKeyLastUsage: { on: "key", request: "KeyId" },
  UpdateCustomKeyStore: {
    on: "account",
    request:
      "CustomKeyStoreId NewCustomKeyStoreName KeyStorePassword CloudHsmClusterId XksProxyUriEndpoint XksProxyUriPath XksProxyVpcEndpointServiceName XksProxyVpcEndpointServiceOwner XksProxyAuthenticationCredential XksProxyConnectivity",
  },
  // A permission alone: AWS asks for it when it copies what replicas share.
  SynchronizeMultiRegionKey: { on: "key", request: "KeyId" },
};

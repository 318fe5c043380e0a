/**
 * Custom key stores, which an account of AWS may have and this KMS has none of.
 *
 * @module
 */
import type { Page, PageRequest } from "./common-shapes.ts";

/** Operations on custom key stores, answered as for an account that has none. */
export interface CustomKeyStoreOperations {
  /** Always a `CustomKeyStoreNotFoundException`. */
  connectCustomKeyStore(request: CustomKeyStoreRequest): Promise<void>;

  /** Always an `UnsupportedOperationException`. */
  createCustomKeyStore(
    request: CreateCustomKeyStoreRequest,
  ): Promise<{ readonly CustomKeyStoreId: string }>;

  /** Always a `CustomKeyStoreNotFoundException`. */
  deleteCustomKeyStore(request: CustomKeyStoreRequest): Promise<void>;

  /** Empty; a `CustomKeyStoreNotFoundException` where an id or a name is given. */
  describeCustomKeyStores(
    request?: DescribeCustomKeyStoresRequest,
  ): Promise<DescribeCustomKeyStoresResponse>;

  /** Always a `CustomKeyStoreNotFoundException`. */
  disconnectCustomKeyStore(request: CustomKeyStoreRequest): Promise<void>;

  /** Always a `CustomKeyStoreNotFoundException`. */
  updateCustomKeyStore(request: UpdateCustomKeyStoreRequest): Promise<void>;
}

export interface CustomKeyStoreRequest {
  /** 1 to 64 characters. */
  readonly CustomKeyStoreId: string | undefined;
}

/** How AWS connects to a key store. */
interface CustomKeyStoreConnection {
  readonly CloudHsmClusterId?: string | undefined;
  readonly KeyStorePassword?: string | undefined;
  readonly XksProxyUriEndpoint?: string | undefined;
  readonly XksProxyUriPath?: string | undefined;
  readonly XksProxyVpcEndpointServiceName?: string | undefined;
  readonly XksProxyVpcEndpointServiceOwner?: string | undefined;
  readonly XksProxyAuthenticationCredential?:
    | { readonly AccessKeyId: string | undefined; readonly RawSecretAccessKey: string | undefined }
    | undefined;
  readonly XksProxyConnectivity?: string | undefined;
}

export interface CreateCustomKeyStoreRequest extends CustomKeyStoreConnection {
  /** 1 to 256 characters. */
  readonly CustomKeyStoreName: string | undefined;
  /** `AWS_CLOUDHSM` (default) or `EXTERNAL_KEY_STORE`. */
  readonly CustomKeyStoreType?: string | undefined;
  readonly TrustAnchorCertificate?: string | undefined;
}

export interface UpdateCustomKeyStoreRequest
  extends CustomKeyStoreRequest, CustomKeyStoreConnection {
  readonly NewCustomKeyStoreName?: string | undefined;
}

export interface DescribeCustomKeyStoresRequest extends PageRequest {
  /** At most one of the two. */
  readonly CustomKeyStoreId?: string | undefined;
  readonly CustomKeyStoreName?: string | undefined;
}

export interface DescribeCustomKeyStoresResponse extends Page {
  /** Always empty. */
  readonly CustomKeyStores: never[];
}

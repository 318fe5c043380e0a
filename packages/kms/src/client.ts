/**
 * The KMS as one principal sees it: AWS KMS's operations by their names.
 *
 * The shapes of requests and responses are under requests/, what an operation does under operations/, and what
 * happens around it in operations/operation.ts.
 *
 * Source: the AWS KMS API reference; differences in README.md
 *
 * @module
 */
import { implementations } from "./operations/implementations.ts";
import type { Environment } from "./operations/operation.ts";
import type { KmsOperations } from "./requests/operations.ts";

// The class has the methods of the interface: they are made from the implementations, one each.
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging, typescript/no-empty-object-type
export interface KmsClient extends KmsOperations {}

/**
 * Operations of the KMS for one principal. Throws {@link KmsError} with AWS's names, and core's
 * `EnvelopeError` for problems with the file. Requests are not kept; response bytes are the caller's.
 */
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging
export class KmsClient {
  readonly #environment: Environment;

  static {
    for (const [method, { call }] of Object.entries(implementations)) {
      Object.defineProperty(this.prototype, method, {
        value(this: KmsClient, request: never) {
          return call(this.#environment, request);
        },
        configurable: true,
        writable: true,
      });
    }
  }

  /** Not for applications: they call `keystore.as(principal)`. */
  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /**
   * The same principal for one request of a server: what it calls is in the audit log with this id.
   *
   * @param requestId - As the server gives it to its caller, at most 1024 characters.
   */
  forRequest(requestId: string): KmsClient {
    return new KmsClient({ ...this.#environment, requestId });
  }

  /** ARN of whoever this client acts as. */
  get principal(): string {
    return this.#environment.session.principal;
  }

  /** Where this client's calls are made. */
  get region(): string {
    return this.#environment.session.realm.region;
  }
}

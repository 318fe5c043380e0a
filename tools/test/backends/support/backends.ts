/**
 * AWS KMS, Cloud KMS, Vault Transit and a local keystore side by side on this machine: each behind its
 * real client and protocol, each with a key, and with what may go wrong between here and there. All of
 * it goes away with the test.
 *
 * Here and not in a package, since only tools may depend on all of them and on the test servers.
 */
import { join } from "node:path";
import { awsKms } from "@env/aws-kms";
import type { Cmk, EnvelopeEvent, Observer } from "@env/core";
import { gcpKms } from "@env/gcp-kms";
import { createKeystore } from "@env/kms";
import { localFile } from "@env/local-file";
import {
  gcpKmsDenial,
  gcpKmsFaults,
  startGcpKmsServer,
  type GcpKmsFault,
} from "@env/test-servers/gcp-kms";
import { startTransitServer, transitFaults, type TransitFault } from "@env/test-servers/transit";
import { crc32c } from "@env/testkit/crc32c";
import { tempFolder } from "@env/testkit/folder";
import { vaultTransit } from "@env/vault-transit";
import { onTestFinished } from "vitest";
import {
  awsError,
  testEndpoint,
  type Fault as AwsFault,
} from "../../../../packages/aws-kms/test/support/endpoint.ts";

/** How a server may fail while it is there. */
export type Failure =
  /** Says that it is out of order. */
  | "unavailable"
  /** Breaks the connection within the answer. */
  | "reset"
  /** Takes requests and never answers. */
  | "stall"
  /** Says that the caller may not. */
  | "denied"
  /** Answers to an unwrap, in perfect form, {@link wrongKey}. */
  | "wrong key"
  /** Answers to an unwrap what its adapter can make no sense of. */
  | "nonsense";

/** A data key that no message was encrypted with. */
export const wrongKey: Uint8Array = new Uint8Array(32).fill(0xd7);

interface OpenOptions {
  /** Milliseconds for one call. Default: the adapter's. */
  readonly timeout?: number;
}

/** A KMS with one key. */
export interface Backend {
  readonly provider: string;
  /** Of the entries that its key wraps. */
  readonly label: string;
  /** As a configuration names the key. */
  readonly uri: string;
  /** What its client is let in with, where that is a secret here. */
  readonly credential?: string;
  /** A CMK over the key, with a client of its own that attempts each call once. */
  open(options?: OpenOptions): Cmk;
  /** Makes the key useless, for good or until somebody enables it: as after a move. */
  retire(): void | Promise<void>;
}

/** One that is spoken to over a connection. */
export interface Remote extends Backend {
  /** Requests that have arrived, whatever became of them. */
  requests(): number;
  /** Fulfilled when the next one has. */
  nextRequest(): Promise<void>;
  /** Fails from now on; `undefined` ends it. */
  fail(failure: Failure | undefined): void;
  /** Breaks all connections and refuses new ones, for good. */
  stop(): Promise<void>;
}

const wrongKeyText = Buffer.from(wrongKey).toString("base64");

function opened(cmk: Cmk): Cmk {
  onTestFinished(() => cmk.close());
  return cmk;
}

/** `@aws-sdk/client-kms`, and `@env/kms-server`. */
export async function startAws(): Promise<Remote> {
  const { endpoint, client } = await testEndpoint();
  const label = await endpoint.newKey();
  const unwraps = ["Decrypt"];
  const faults: Readonly<Record<Failure, AwsFault>> = {
    unavailable: awsError("ServiceUnavailableException", "later", 503),
    reset: { kind: "reset" },
    stall: { kind: "stall" },
    denied: awsError("AccessDeniedException", "User is not authorized to perform this operation"),
    "wrong key": { kind: "alter", alter: (answer) => ({ ...answer, Plaintext: wrongKeyText }) },
    nonsense: { kind: "alter", alter: ({ KeyId }) => ({ KeyId }) },
  };
  return {
    provider: "aws-kms",
    label,
    uri: `aws-kms:${label}?endpoint=${endpoint.url}`,
    open: (options) => opened(awsKms({ client, key: label, ...options })),
    async retire() {
      await endpoint.root.disableKey({ KeyId: label });
    },
    requests: () => endpoint.requests.length,
    nextRequest: () => endpoint.nextRequest(),
    fail(failure) {
      const fault = failure && faults[failure];
      endpoint.fail(fault, fault?.kind === "alter" ? unwraps : undefined);
    },
    stop: () => endpoint.cut(),
  };
}

/** `@google-cloud/kms` over gRPC. */
export async function startGcp(): Promise<Remote> {
  const server = await startGcpKmsServer();
  onTestFinished(() => server.close());
  const label = server.createKey();
  const unwraps = ["Decrypt"];
  const plaintextCrc32c = { value: String(crc32c(wrongKey)) };
  const faults: Readonly<Record<Failure, GcpKmsFault>> = {
    unavailable: gcpKmsFaults.unavailable,
    reset: gcpKmsFaults.reset,
    stall: gcpKmsFaults.stall,
    denied: gcpKmsDenial("cloudkms.cryptoKeyVersions.useToDecrypt", label),
    "wrong key": {
      kind: "alter",
      alter: (answer) => ({ ...answer, plaintext: wrongKey, plaintextCrc32c }),
    },
    nonsense: { kind: "status", status: "UNIMPLEMENTED", message: "not served here" },
  };
  return {
    provider: "gcp-kms",
    label,
    uri: `gcp-kms:${label}?endpoint=${server.endpoint}`,
    open: (options) =>
      opened(gcpKms({ key: label, endpoint: server.endpoint, maxAttempts: 1, ...options })),
    retire: () => server.setState(`${label}/cryptoKeyVersions/1`, "DESTROYED"),
    requests: () => server.calls.length,
    nextRequest: () => server.nextCall(),
    fail(failure) {
      const fault = failure && faults[failure];
      server.fail(fault, fault?.kind === "alter" ? unwraps : undefined);
    },
    stop: () => server.close(),
  };
}

/** `node-vault`. In mode `aad` the data key passes through this process in a rewrap. */
export async function startVault(mode: "derived" | "aad" = "derived"): Promise<Remote> {
  const server = await startTransitServer();
  onTestFinished(() => server.close());
  server.createKey("orders", { derived: mode === "derived" });
  const unwraps = ["transit/decrypt/"];
  const faults: Readonly<Record<Failure, TransitFault>> = {
    unavailable: transitFaults.sealed,
    reset: { kind: "drop", midBody: true },
    stall: transitFaults.stall,
    denied: {
      kind: "answer",
      status: 403,
      body: JSON.stringify({ errors: ["1 error occurred:\n\t* permission denied\n\n"] }),
    },
    "wrong key": {
      kind: "alter",
      alter: (body) => ({ ...body, data: { plaintext: wrongKeyText } }),
    },
    nonsense: { kind: "alter", alter: (body) => ({ ...body, data: {} }) },
  };
  return {
    provider: "vault-transit",
    label: "transit/orders",
    uri: `vault-transit:${server.url}/transit/orders?mode=${mode}`,
    credential: server.rootToken,
    open: (options) =>
      opened(
        vaultTransit({
          address: server.url,
          auth: { token: () => server.rootToken },
          key: "orders",
          mode,
          ...options,
        }),
      ),
    retire() {
      server.root("POST", "transit/keys/orders/config", { deletion_allowed: true });
      server.root("DELETE", "transit/keys/orders");
    },
    requests: () => server.calls.length,
    nextRequest: () => server.nextCall(),
    fail(failure) {
      const fault = failure && faults[failure];
      server.fail(fault, fault?.kind === "alter" ? unwraps : undefined);
    },
    stop: () => server.close(),
  };
}

/** A keystore in a file. */
export async function startLocal(): Promise<Backend> {
  const folder = tempFolder();
  const path = join(folder, "dev.kms");
  const keystore = await createKeystore(path, { root: { keyFile: `${path}.key` } });
  onTestFinished(() => keystore.close());
  const client = keystore.as();
  const { KeyMetadata } = await client.createKey();
  return {
    provider: "local-file",
    label: KeyMetadata.KeyId,
    uri: `local-file:${path}?key=${KeyMetadata.KeyId}`,
    open: () => opened(localFile({ client, key: KeyMetadata.KeyId })),
    async retire() {
      await client.scheduleKeyDeletion({ KeyId: KeyMetadata.KeyId });
    },
  };
}

/** AWS KMS, Cloud KMS and Vault Transit, in this order. */
export function startClouds(): Promise<[Remote, Remote, Remote]> {
  return Promise.all([startAws(), startGcp(), startVault()]);
}

/** Which CMK was called for what, in this order, and how it ended: `aws-kms unwrap ok`. */
export function watchCalls(): { readonly calls: string[]; readonly observer: Observer } {
  const calls: string[] = [];
  const observer = (event: EnvelopeEvent): void => {
    if (event.type !== "kms-call") return;
    calls.push(`${event.provider} ${event.operation} ${event.outcome}`);
  };
  return { calls, observer };
}

/**
 * What may go wrong between a client and Cloud KMS, to be switched on in a test.
 *
 * @module
 */
import { crc32c } from "@env/testkit/crc32c";
import type { Message } from "./methods.ts";
import type { GcpStatus } from "./status.ts";

export type GcpKmsFault =
  /** Answers with an error. */
  | { readonly kind: "status"; readonly status: GcpStatus; readonly message: string }
  /** Takes the request and never answers. */
  | { readonly kind: "stall" }
  /** Resets the connection, after the headers of the answer. */
  | { readonly kind: "reset" }
  /** Alters a successful answer. */
  | { readonly kind: "alter"; readonly alter: (answer: Message) => Message };

const status = (code: GcpStatus, message: string): GcpKmsFault => ({
  kind: "status",
  status: code,
  message,
});
const alter = (change: (answer: Message) => Message): GcpKmsFault => ({
  kind: "alter",
  alter: change,
});

type FaultName =
  | "throttled"
  | "unavailable"
  | "unauthenticated"
  | "stall"
  | "reset"
  | "corruptCrc32c"
  | "unverified"
  | "otherName"
  | "shortPlaintext";

/** The faults to be expected, with the texts of Cloud KMS. */
export const gcpKmsFaults: Readonly<Record<FaultName, GcpKmsFault>> = {
  /** A quota is used up. */
  throttled: status(
    "RESOURCE_EXHAUSTED",
    "Quota exceeded for quota metric 'Cryptographic requests' and limit 'Cryptographic requests per minute' of service 'cloudkms.googleapis.com'.",
  ),
  unavailable: status("UNAVAILABLE", "The service is currently unavailable."),
  unauthenticated: status(
    "UNAUTHENTICATED",
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.",
  ),
  stall: { kind: "stall" },
  reset: { kind: "reset" },
  /** The checksums of the answer are of other bytes. */
  corruptCrc32c: alter((answer) => {
    const fields = Object.entries(answer).map(([name, value]) => [
      name,
      name === "plaintextCrc32c" || name === "ciphertextCrc32c" ? { value: "1" } : value,
    ]);
    return Object.fromEntries(fields);
  }),
  /** The checksums of the request did not arrive. */
  unverified: alter((answer) => ({
    ...answer,
    verifiedPlaintextCrc32c: false,
    verifiedAdditionalAuthenticatedDataCrc32c: false,
  })),
  /** The answer names another key than the request. */
  otherName: alter((answer) => ({
    ...answer,
    name: "projects/p/locations/l/keyRings/r/cryptoKeys/other/cryptoKeyVersions/1",
  })),
  /** The plaintext has another length than a data key, and a checksum that is right. */
  shortPlaintext: alter((answer) => {
    if (!(answer["plaintext"] instanceof Uint8Array)) return answer;
    const plaintext = Buffer.from(answer["plaintext"].subarray(1));
    return { ...answer, plaintext, plaintextCrc32c: { value: String(crc32c(plaintext)) } };
  }),
};

/** The refusal of Cloud KMS for a caller without a permission. */
export function gcpKmsDenial(permission: string, resource: string): GcpKmsFault {
  return status(
    "PERMISSION_DENIED",
    `Permission '${permission}' denied on resource '${resource}' (or it may not exist).`,
  );
}

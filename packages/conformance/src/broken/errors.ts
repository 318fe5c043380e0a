/**
 * Drivers that break D5 and D10: they classify errors wrongly or leak secrets in them.
 *
 * @module
 */
import type { Bytes } from "@env/core";
import type { CmkDriver, KmsFailureCode, UnwrapRequest, WrapRequest } from "@env/core/driver";
import type { BrokenDriver } from "../broken.ts";
import { base64, concat, hex } from "../bytes.ts";
import { bare, Fault, faulty } from "./fault.ts";

export const brokenErrors: readonly BrokenDriver[] = [
  {
    name: "says unknown to everything",
    clause: "D5",
    make: (honest) => faulty(honest, { classify: () => "ERR_ENVELOPE_KMS_ERROR" }),
  },
  {
    name: "says rejected to everything",
    clause: "D5",
    make: (honest) => faulty(honest, { classify: () => "ERR_ENVELOPE_KMS_REJECTED" }),
  },
  {
    name: "has a code that core does not know",
    clause: "D5",
    make: (honest) => faulty(honest, { classify: () => JSON.parse('"ERR_ENVELOPE_KMS_WEATHER"') }),
  },
  misnaming("says rejected for a missing key", {
    ERR_ENVELOPE_KMS_KEY_NOT_FOUND: "ERR_ENVELOPE_KMS_REJECTED",
  }),
  misnaming("says denied for a disabled key", {
    ERR_ENVELOPE_KMS_KEY_STATE: "ERR_ENVELOPE_KMS_ACCESS_DENIED",
  }),
  misnaming("says not found for a denied call", {
    ERR_ENVELOPE_KMS_ACCESS_DENIED: "ERR_ENVELOPE_KMS_KEY_NOT_FOUND",
  }),
  misnaming("says unknown where it has no connection", {
    ERR_ENVELOPE_KMS_UNAVAILABLE: "ERR_ENVELOPE_KMS_ERROR",
  }),
  misnaming("says unavailable where it is throttled", {
    ERR_ENVELOPE_KMS_THROTTLED: "ERR_ENVELOPE_KMS_UNAVAILABLE",
  }),
  misnaming("says rejected for what it cannot name", {
    ERR_ENVELOPE_KMS_ERROR: "ERR_ENVELOPE_KMS_REJECTED",
  }),
  {
    name: "fails to classify a thrown value that is not an Error",
    clause: "D5",
    make: (honest) =>
      faulty(honest, {
        classify(error) {
          if (!(error instanceof Error)) throw new TypeError("an Error is required");
          return honest.classify(error);
        },
      }),
  },
  {
    name: "throws text instead of an Error",
    clause: "D5",
    make(honest) {
      const asText = async <T>(call: Promise<T>): Promise<T> => {
        try {
          return await call;
        } catch (error) {
          // oxlint-disable-next-line no-throw-literal, typescript/only-throw-error -- the breakage
          throw honest.classify(error);
        }
      };
      return bare(honest, {
        wrap: (request) => asText(honest.wrap(request)),
        unwrap: (request) => asText(honest.unwrap(request)),
        classify(error) {
          const thrown = kmsFailures.find((code) => code === error);
          return thrown ?? honest.classify(error);
        },
      });
    },
  },
  leaking("says the data key in hex", (request) => ({ message: hex(plaintextOf(request)) })),
  leaking("says the data key in base64", (request) => ({
    message: `POST /wrap {"plaintext":"${base64(plaintextOf(request))}"}`,
  })),
  leaking("says its whole request in base64", (request) => ({
    message: base64(concat(Uint8Array.of(0x7b), plaintextOf(request), Uint8Array.of(0x7d))),
  })),
  leaking("says the context", (request) => ({
    message: `refused for ${JSON.stringify(request.context.map)}`,
  })),
  leaking("says the context in base64", (request) => ({
    message: `aad ${base64(new TextEncoder().encode(request.context.map["tenant"]))}`,
  })),
  leaking("keeps the data key as bytes in its cause", (request) => ({
    cause: Object.assign(new Error("the request failed"), { body: plaintextOf(request) }),
  })),
  leaking("keeps the data key in a hidden member", (request) => ({
    members: { request: { value: { body: base64(plaintextOf(request)) } } },
  })),
  leaking("keeps the context in the cause of its cause", (request) => ({
    cause: new Error("the request failed", { cause: { headers: { ...request.context.map } } }),
  })),
  leaking("shows the request when made JSON", (request) => {
    const shown = { body: [...plaintextOf(request)] };
    return { members: { toJSON: { value: () => shown } } };
  }),
  {
    name: "labels entries with the context",
    clause: "D10",
    make: (honest) =>
      bare(honest, {
        async wrap(request) {
          const made = await honest.wrap(request);
          return { ...made, keyId: `${made.keyId}?${request.context.map["tenant"]}` };
        },
        unwrap: (request) =>
          honest.unwrap({ ...request, keyId: request.keyId.replace(/\?.*/, "") }),
        matches: () => true,
      }),
  },
];

/** Classifies one failure as another. */
function misnaming(
  name: string,
  rename: Partial<Record<KmsFailureCode, KmsFailureCode>>,
): BrokenDriver {
  return {
    name,
    clause: "D5",
    make: (honest) =>
      faulty(honest, {
        classify: (error) => rename[honest.classify(error)] ?? honest.classify(error),
      }),
  };
}

/** Puts the request of a failed call into its error. */
function leaking(
  name: string,
  say: (request: WrapRequest | UnwrapRequest) => {
    readonly message?: string;
    readonly cause?: unknown;
    readonly members?: PropertyDescriptorMap;
  },
): BrokenDriver {
  const saying = async <T>(
    honest: CmkDriver,
    request: WrapRequest | UnwrapRequest,
    call: Promise<T>,
  ): Promise<T> => {
    try {
      return await call;
    } catch (error) {
      const { message, members = {}, ...options } = say(request);
      throw Object.defineProperties(new Fault(honest.classify(error), message, options), members);
    }
  };
  return {
    name,
    clause: "D10",
    make: (honest) =>
      bare(honest, {
        wrap: (request) => saying(honest, request, honest.wrap(request)),
        unwrap: (request) => saying(honest, request, honest.unwrap(request)),
      }),
  };
}

const kmsFailures = [
  "ERR_ENVELOPE_KMS_REJECTED",
  "ERR_ENVELOPE_KMS_KEY_NOT_FOUND",
  "ERR_ENVELOPE_KMS_KEY_STATE",
  "ERR_ENVELOPE_KMS_ACCESS_DENIED",
  "ERR_ENVELOPE_KMS_THROTTLED",
  "ERR_ENVELOPE_KMS_UNAVAILABLE",
] as const satisfies readonly KmsFailureCode[];

/** Returns a copy of the plaintext: `Cmk` wipes what it lent. */
function plaintextOf(request: WrapRequest | UnwrapRequest): Bytes {
  return "plaintext" in request ? request.plaintext.slice() : new Uint8Array(32);
}

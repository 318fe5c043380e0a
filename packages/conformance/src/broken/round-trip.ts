/**
 * Drivers that break D0, D1 and D9: wrong results, repeated results and wrong sizes.
 *
 * @module
 */
import type { CmkDriver } from "@env/core/driver";
import { rebound } from "./binding.ts";
import type { BrokenDriver } from "../broken.ts";
import { concat, hex, latin1, random } from "../bytes.ts";
import { bare, Fault, faulty } from "./fault.ts";

export const brokenRoundTrip: readonly BrokenDriver[] = [
  {
    name: "keeps the data key unencrypted beside the wrapped one",
    clause: "D0",
    make: (honest) =>
      bare(honest, {
        async wrap(request) {
          const made = await honest.wrap(request);
          return { ...made, wrapped: concat(request.plaintext, made.wrapped) };
        },
        unwrap: (request) => honest.unwrap({ ...request, wrapped: request.wrapped.slice(32) }),
      }),
  },
  {
    name: "trims the data key as if it were text",
    clause: "D0",
    make: (honest) =>
      bare(honest, {
        async wrap(request) {
          const trimmed = latin1(request.plaintext).trim();
          if (trimmed.length < 32) throw new Fault("ERR_ENVELOPE_KMS_ERROR");
          return honest.wrap(request);
        },
      }),
  },
  {
    name: "refuses a context of more than eight pairs",
    clause: "D0",
    make: (honest) =>
      bare(honest, {
        async wrap(request) {
          if (Object.keys(request.context.map).length > 9)
            throw new Fault("ERR_ENVELOPE_KMS_ERROR");
          return honest.wrap(request);
        },
      }),
  },
  {
    name: "refuses a context of more than 2048 bytes",
    clause: "D0",
    make: (honest) =>
      bare(honest, {
        async wrap(request) {
          if (request.context.bytes.length > 2048) throw new Fault("ERR_ENVELOPE_KMS_ERROR");
          return honest.wrap(request);
        },
      }),
  },
  {
    name: "binds the pairs in the order they were written in",
    clause: "D0",
    make: (honest) => rebound(honest, (map) => ({ json: JSON.stringify(Object.entries(map)) })),
  },
  {
    name: "labels entries with the alias it was given",
    clause: "D0",
    make: (honest) =>
      bare(honest, {
        wrap: async (request) => ({ ...(await honest.wrap(request)), keyId: honest.keyId }),
      }),
  },
  {
    name: "labels entries with the version of the key",
    clause: "D0",
    make: (honest) =>
      bare(honest, {
        async wrap(request) {
          const made = await honest.wrap(request);
          return { ...made, keyId: `${made.keyId}/versions/${made.keyVersion}` };
        },
      }),
  },
  {
    name: "gives all keys one label",
    clause: "D0",
    make: (honest) =>
      bare(honest, {
        wrap: async (request) => ({ ...(await honest.wrap(request)), keyId: "default" }),
        matches: (label) => label === "default",
      }),
  },
  {
    name: "wraps one data key to the same bytes every time",
    clause: "D1",
    make(honest) {
      const made = new Map<string, ReturnType<CmkDriver["wrap"]>>();
      return bare(honest, {
        async wrap(request) {
          const asked = hex(concat(request.plaintext, request.context.bytes));
          const first = made.get(asked) ?? honest.wrap(request);
          made.set(asked, first);
          const { wrapped, ...rest } = await first;
          return { ...rest, wrapped: wrapped.slice() };
        },
      });
    },
  },
  {
    name: "generates the same data key every time",
    clause: "D1",
    make(honest) {
      const always = random(32);
      return faulty(honest, {
        async generate(request) {
          const plaintext = always.slice();
          return { ...(await honest.wrap({ ...request, plaintext })), plaintext };
        },
      });
    },
  },
  {
    name: "generates data keys of 64 random bits",
    clause: "D1",
    make: (honest) =>
      faulty(honest, {
        async generate(request) {
          const plaintext = concat(random(8), new Uint8Array(24));
          return { ...(await honest.wrap({ ...request, plaintext })), plaintext };
        },
      }),
  },
  {
    name: "generates data keys of 16 bytes",
    clause: "D9",
    make: (honest) =>
      faulty(honest, {
        async generate(request) {
          const plaintext = random(16);
          return { ...(await honest.wrap({ ...request, plaintext })), plaintext };
        },
      }),
  },
  {
    name: "unwraps to the data key and a tail",
    clause: "D9",
    make: (honest) =>
      faulty(honest, {
        async unwrap(request) {
          const result = await honest.unwrap(request);
          return { ...result, plaintext: concat(result.plaintext, new Uint8Array(16)) };
        },
      }),
  },
  {
    name: "wraps to more than 4096 bytes",
    clause: "D9",
    make: (honest) =>
      bare(honest, {
        async wrap(request) {
          const made = await honest.wrap(request);
          return { ...made, wrapped: concat(made.wrapped, new Uint8Array(4096)) };
        },
        unwrap: (request) =>
          honest.unwrap({ ...request, wrapped: request.wrapped.slice(0, -4096) }),
      }),
  },
  {
    name: "copies the context beside the wrapped key",
    clause: "D9",
    make: (honest) =>
      bare(honest, {
        async wrap(request) {
          const made = await honest.wrap(request);
          return { ...made, wrapped: concat(request.context.bytes, made.wrapped) };
        },
        unwrap: (request) =>
          honest.unwrap({
            ...request,
            wrapped: request.wrapped.slice(request.context.bytes.length),
          }),
      }),
  },
  {
    name: "wraps to nothing",
    clause: "D9",
    make: (honest) =>
      bare(honest, {
        wrap: async (request) => ({ ...(await honest.wrap(request)), wrapped: new Uint8Array(0) }),
      }),
  },
  {
    name: "crashes on a wrapped key that is too short",
    clause: "D9",
    make: (honest) =>
      faulty(honest, {
        async unwrap(request) {
          if (request.wrapped.length < 32) throw new TypeError("undefined is not an object");
          return honest.unwrap(request);
        },
      }),
  },
  {
    name: "says too large of a wrapped key of 4096 bytes",
    clause: "D9",
    make: (honest) =>
      faulty(honest, {
        async unwrap(request) {
          if (request.wrapped.length >= 4096) throw new Fault("ERR_ENVELOPE_KMS_ERROR");
          return honest.unwrap(request);
        },
      }),
  },
];

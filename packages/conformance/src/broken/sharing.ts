/**
 * Drivers that break D6, D7 and D8: they misuse buffers or disturb concurrent calls. At the end of the
 * file are drivers whose faults `Cmk` compensates for.
 *
 * @module
 */
import type { Bytes } from "@env/core";
import type { CmkDriver, UnwrapRequest, WrapRequest } from "@env/core/driver";
import type { BrokenDriver, ForgivenDriver } from "../broken.ts";
import { concat, copyOf, hex, random } from "../bytes.ts";
import { pause } from "../check.ts";
import { bare, Fault, faulty } from "./fault.ts";

export const brokenSharing: readonly BrokenDriver[] = [
  {
    name: "wipes the data key it was lent",
    clause: "D6",
    make: (honest) =>
      faulty(honest, {
        async wrap(request) {
          const made = await honest.wrap(request);
          request.plaintext.fill(0);
          return made;
        },
      }),
  },
  {
    name: "unwraps in place",
    clause: "D6",
    make: (honest) =>
      faulty(honest, {
        async unwrap(request) {
          const { plaintext, ...rest } = await honest.unwrap(request);
          request.wrapped.set(plaintext);
          return { ...rest, plaintext: request.wrapped.subarray(0, 32) };
        },
      }),
  },
  {
    name: "wipes the wrapped key of a refused call",
    clause: "D6",
    make: (honest) =>
      faulty(honest, {
        async unwrap(request) {
          try {
            return await honest.unwrap(request);
          } catch (error) {
            request.wrapped.fill(0);
            throw error;
          }
        },
      }),
  },
  {
    name: "writes into the context's bytes",
    clause: "D6",
    make: (honest) =>
      faulty(honest, {
        async wrap(request) {
          const made = await honest.wrap(request);
          request.context.bytes.fill(0);
          return made;
        },
      }),
  },
  {
    name: "keeps the data key it was lent, and gives it back",
    clause: "D6",
    make(honest) {
      const kept = new Map<string, Bytes>();
      return bare(honest, {
        async wrap(request) {
          const made = await honest.wrap(request);
          kept.set(hex(made.wrapped), request.plaintext);
          return made;
        },
        async unwrap(request) {
          const result = await honest.unwrap(request);
          return { ...result, plaintext: kept.get(hex(request.wrapped)) ?? result.plaintext };
        },
      });
    },
  },
  {
    name: "gives every wrapped key in one buffer",
    clause: "D6",
    make(honest) {
      const buffer = new Uint8Array(4096);
      return bare(honest, {
        async wrap(request) {
          const made = await honest.wrap(request);
          buffer.set(made.wrapped);
          return { ...made, wrapped: buffer.subarray(0, made.wrapped.length) };
        },
      });
    },
  },
  {
    name: "gives every data key in one buffer",
    clause: "D6",
    make(honest) {
      const buffer = new Uint8Array(32);
      return faulty(honest, {
        async unwrap(request) {
          const result = await honest.unwrap(request);
          buffer.set(result.plaintext);
          return { ...result, plaintext: buffer };
        },
      });
    },
  },
  {
    name: "gives a cached data key again, not a copy of it",
    clause: "D6",
    make(honest) {
      const cache = new Map<string, Awaited<ReturnType<CmkDriver["unwrap"]>>>();
      return faulty(honest, {
        async unwrap(request) {
          const asked = [request.keyId, hex(request.wrapped), hex(request.context.bytes)].join();
          const result = cache.get(asked) ?? (await honest.unwrap(request));
          cache.set(asked, result);
          return result;
        },
      });
    },
  },
  {
    name: "wipes its result a moment later",
    clause: "D6",
    make: (honest) =>
      faulty(honest, {
        async unwrap(request) {
          const result = await honest.unwrap(request);
          setTimeout(() => result.plaintext.fill(0));
          return result;
        },
      }),
  },
  {
    name: "keeps the context of the current call in a field",
    clause: "D7",
    make(honest) {
      let { context } = { context: undefined as WrapRequest["context"] | undefined };
      const current = async <T extends WrapRequest | UnwrapRequest>(request: T): Promise<T> => {
        ({ context } = request);
        await pause();
        return { ...request, context };
      };
      return bare(honest, {
        wrap: async (request) => honest.wrap(await current(request)),
        unwrap: async (request) => honest.unwrap(await current(request)),
      });
    },
  },
  {
    name: "keeps the result of the current call in a field",
    clause: "D7",
    make(honest) {
      let result: Awaited<ReturnType<CmkDriver["unwrap"]>>;
      return bare(honest, {
        async unwrap(request) {
          result = await honest.unwrap(request);
          await pause();
          return { ...result, plaintext: result.plaintext.slice() };
        },
      });
    },
  },
  {
    name: "answers the oldest call with the latest answer",
    clause: "D7",
    make(honest) {
      type Answer = Awaited<ReturnType<CmkDriver["unwrap"]>>;
      const waiting: ((answer: Answer) => void)[] = [];
      return bare(honest, {
        async unwrap(request) {
          const answer = await honest.unwrap(request);
          const own = new Promise<Answer>((resolve) => waiting.push(resolve));
          setTimeout(() => waiting.pop()?.(answer));
          return own;
        },
      });
    },
  },
  {
    name: "fails while another call is under way",
    clause: "D7",
    make(honest) {
      let busy = false;
      return bare(honest, {
        async unwrap(request) {
          if (busy) throw new Fault("ERR_ENVELOPE_KMS_UNAVAILABLE");
          busy = true;
          try {
            return await honest.unwrap(request);
          } finally {
            busy = false;
          }
        },
      });
    },
  },
  {
    name: "leaves a rejected promise behind on abort",
    clause: "D8",
    make: (honest) =>
      bare(honest, {
        wrap: (request) => honest.wrap(listening(request)),
        unwrap: (request) => honest.unwrap(listening(request)),
      }),
  },
  {
    name: "shares one call among callers, with the signal of the first",
    clause: "D8",
    make(honest) {
      const underWay = new Map<string, ReturnType<CmkDriver["unwrap"]>>();
      const run = async (request: UnwrapRequest) => {
        const result = await honest.unwrap(request);
        await pause();
        request.signal?.throwIfAborted();
        return result;
      };
      return faulty(honest, {
        async unwrap(request) {
          const asked = [request.keyId, hex(request.wrapped), hex(request.context.bytes)].join();
          const shared = underWay.get(asked) ?? run(request).finally(() => underWay.delete(asked));
          underWay.set(asked, shared);
          const { plaintext, ...rest } = await shared;
          return { ...rest, plaintext: plaintext.slice() };
        },
      });
    },
  },
  {
    name: "fails forever after an abort",
    clause: "D8",
    make(honest) {
      let dead = false;
      return faulty(honest, {
        async wrap(request) {
          request.signal?.addEventListener("abort", () => {
            dead = true;
          });
          if (dead) throw new Fault("ERR_ENVELOPE_KMS_UNAVAILABLE");
          return honest.wrap(request);
        },
        generate: undefined,
      });
    },
  },
];

export const forgivenSharing: readonly ForgivenDriver[] = [
  {
    name: "does not look at the signal",
    make: (honest) =>
      bare(honest, {
        wrap: (request) => honest.wrap({ ...request, signal: undefined }),
        unwrap: (request) => honest.unwrap({ ...request, signal: undefined }),
      }),
  },
  {
    name: "never ends a call once its signal is aborted",
    make: (honest) =>
      bare(honest, {
        wrap: (request) => hangs(honest.wrap(request), request.signal),
        unwrap: (request) => hangs(honest.unwrap(request), request.signal),
      }),
  },
  {
    name: "throws before it has returned a promise",
    make: (honest) =>
      faulty(honest, {
        unwrap(request) {
          if (request.wrapped.length < 32) throw new Fault("ERR_ENVELOPE_KMS_REJECTED");
          return honest.unwrap(request);
        },
      }),
  },
  {
    name: "gives its results as parts of a larger buffer",
    make: (honest) =>
      bare(honest, {
        async wrap(request) {
          const made = await honest.wrap(request);
          return { ...made, wrapped: inside(made.wrapped) };
        },
        async unwrap(request) {
          const result = await honest.unwrap(request);
          return { ...result, plaintext: inside(result.plaintext) };
        },
      }),
  },
  {
    name: "gives its results as views that slice without a copy, as Buffers do",
    make: (honest) =>
      bare(honest, {
        async wrap(request) {
          const made = await honest.wrap(request);
          return { ...made, wrapped: new Sharing(copyOf(made.wrapped).buffer) };
        },
        async unwrap(request) {
          const result = await honest.unwrap(request);
          return { ...result, plaintext: new Sharing(copyOf(result.plaintext).buffer) };
        },
      }),
  },
  {
    name: "has nothing but wrap, unwrap and classify",
    make: (honest) => bare(honest, {}),
  },
  {
    name: "tells no versions",
    make: (honest) =>
      bare(honest, {
        async wrap(request) {
          const { wrapped, keyId } = await honest.wrap(request);
          return { wrapped, keyId };
        },
        async unwrap(request) {
          const { plaintext } = await honest.unwrap(request);
          return { plaintext };
        },
        rewrap:
          honest.rewrap &&
          (async (request) => {
            const { plaintext } = await honest.unwrap(request);
            const { wrapped, keyId } = await honest.wrap({ ...request, plaintext });
            return { wrapped, keyId };
          }),
      }),
  },
];

async function hangs<T>(call: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  const result = await call;
  return signal?.aborted ? new Promise<never>(() => undefined) : result;
}

function inside(bytes: Bytes): Bytes {
  return concat(random(7), bytes, random(9)).subarray(7, 7 + bytes.length);
}

function listening<T extends { readonly signal: AbortSignal | undefined }>(request: T): T {
  request.signal?.addEventListener("abort", () => {
    void Promise.reject(new Error("aborted"));
  });
  return request;
}

/** Behaves like a Node Buffer, without Node: `slice` returns a view. */
class Sharing extends Uint8Array<ArrayBuffer> {
  override slice(start?: number, end?: number): Uint8Array<ArrayBuffer> {
    return this.subarray(start, end);
  }
}

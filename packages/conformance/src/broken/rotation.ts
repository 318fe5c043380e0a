/**
 * Drivers that break D11: rotation and rewrap.
 *
 * @module
 */
import type { CmkDriver } from "@env/core/driver";
import type { BrokenDriver, ForgivenDriver } from "../broken.ts";
import { hex, random } from "../bytes.ts";
import { kmsContext } from "../check.ts";
import { bare, Fault, faulty } from "./fault.ts";

/** Returns the version that wraps now. */
async function currentVersion(driver: CmkDriver): Promise<string | undefined> {
  const request = { plaintext: random(32), context: kmsContext({}), signal: undefined };
  return (await driver.wrap(request)).keyVersion;
}

const told = (version: string | undefined) =>
  version === undefined ? {} : { keyVersion: version };

export const brokenRotation: readonly BrokenDriver[] = [
  {
    name: "loses the old versions",
    clause: "D11",
    make: (honest) =>
      faulty(honest, {
        async unwrap(request) {
          const result = await honest.unwrap(request);
          if (result.keyVersion !== (await currentVersion(honest))) {
            throw new Fault("ERR_ENVELOPE_KMS_REJECTED");
          }
          return result;
        },
      }),
  },
  {
    name: "reports the same version forever",
    clause: "D11",
    make: (honest) =>
      bare(honest, {
        wrap: async (request) => ({ ...(await honest.wrap(request)), keyVersion: "latest" }),
        unwrap: async (request) => ({ ...(await honest.unwrap(request)), keyVersion: "latest" }),
      }),
  },
  {
    name: "tells another version every time",
    clause: "D11",
    make: (honest) =>
      bare(honest, {
        wrap: async (request) => ({ ...(await honest.wrap(request)), keyVersion: hex(random(4)) }),
      }),
  },
  {
    name: "tells the current version when it unwraps an old one",
    clause: "D11",
    make: (honest) =>
      bare(honest, {
        async unwrap(request) {
          const { plaintext } = await honest.unwrap(request);
          return { plaintext, ...told(await currentVersion(honest)) };
        },
      }),
  },
  {
    name: "tells the version only sometimes",
    clause: "D11",
    make(honest) {
      let calls = 0;
      return bare(honest, {
        async wrap(request) {
          const { wrapped, keyId, keyVersion } = await honest.wrap(request);
          return calls++ % 2 === 0 ? { wrapped, keyId, ...told(keyVersion) } : { wrapped, keyId };
        },
      });
    },
  },
  {
    name: "rewraps to another data key",
    clause: "D11",
    make: (honest) =>
      faulty(honest, {
        async rewrap(request) {
          await honest.unwrap(request);
          return honest.wrap({ ...request, plaintext: random(32) });
        },
      }),
  },
  {
    name: "rewraps without the context",
    clause: "D11",
    make: (honest) =>
      faulty(honest, {
        async rewrap(request) {
          const { plaintext } = await honest.unwrap(request);
          return honest.wrap({ ...request, plaintext, context: kmsContext({}) });
        },
      }),
  },
  {
    name: "says of everything that it is current",
    clause: "D11",
    make: (honest) =>
      faulty(honest, {
        async rewrap(request) {
          const keyVersion = (await currentVersion(honest)) ?? "1";
          return {
            wrapped: request.wrapped,
            keyId: request.keyId,
            keyVersion,
            fromVersion: keyVersion,
          };
        },
      }),
  },
  {
    name: "gives the old bytes as the rewrapped ones",
    clause: "D11",
    make: (honest) =>
      faulty(honest, {
        async rewrap(request) {
          const { keyVersion: from } = await honest.unwrap(request);
          const wrapped = request.wrapped.slice();
          const keyVersion = (await currentVersion(honest)) ?? "1";
          return { wrapped, keyId: honest.keyId, keyVersion, fromVersion: from ?? "1" };
        },
      }),
  },
  {
    name: "gives back what it cannot rewrap",
    clause: "D11",
    make: (honest) =>
      faulty(honest, {
        async rewrap(request) {
          try {
            const { plaintext } = await honest.unwrap(request);
            return await honest.wrap({ ...request, plaintext });
          } catch {
            return { wrapped: request.wrapped.slice(), keyId: request.keyId };
          }
        },
      }),
  },
  {
    name: "rewraps with any context",
    clause: "D11",
    make(honest) {
      const seen = new Map<string, Parameters<CmkDriver["unwrap"]>[0]["context"]>();
      return bare(honest, {
        async wrap(request) {
          const made = await honest.wrap(request);
          seen.set(hex(made.wrapped), request.context);
          return made;
        },
        async rewrap(request) {
          const context = seen.get(hex(request.wrapped)) ?? request.context;
          const { plaintext } = await honest.unwrap({ ...request, context });
          return honest.wrap({ ...request, plaintext });
        },
      });
    },
  },
  {
    name: "leaves a rewrapped entry under the key it was under",
    clause: "D11",
    make: (honest) =>
      faulty(honest, {
        async rewrap(request) {
          const { keyVersion } = await honest.unwrap(request);
          return { wrapped: request.wrapped.slice(), keyId: request.keyId, ...told(keyVersion) };
        },
      }),
  },
  {
    name: "has a rewrap that leaves everything to Cmk",
    clause: "D11",
    make: (honest) => faulty(honest, { rewrap: async () => undefined }),
  },
];

export const forgivenRotation: readonly ForgivenDriver[] = [
  {
    name: "rewraps within its own key alone",
    make: (honest) =>
      faulty(honest, {
        rewrap: async (request) =>
          request.keyId === honest.keyId ? honest.rewrap?.(request) : undefined,
      }),
  },
];

import { inspect } from "node:util";
import { cmkCases, type CmkHarness } from "@env/conformance";
import type { CmkDriver } from "@env/core/driver";
import { gcpKmsDenial, gcpKmsFaults, startGcpKmsServer } from "@env/test-servers/gcp-kms";
import { describe, it } from "vitest";
import { gcpKmsDriver } from "../src/index.ts";
import { grpcClient, restClient } from "./support/sdk.ts";

/** The real SDK, the real protocol. */
function harness(transport: "grpc" | "rest"): CmkHarness {
  return {
    async open() {
      const server = await startGcpKmsServer({ projects: { "111122223333": "test-project" } });
      const client = transport === "grpc" ? grpcClient(server.port) : restClient(server.restPort);
      const driver = (key: string): CmkDriver => gcpKmsDriver({ client, key, maxAttempts: 1 });
      const first = server.createKey();
      return {
        first: driver(first),
        second: driver(server.createKey()),
        missing: driver(`${first}-missing`),
        alias: driver(first.replace("test-project", "111122223333")),
        rotate: () => void server.rotate(first),
        disable: () => server.setState(`${first}/cryptoKeyVersions/1`, "DISABLED"),
        deny: () => server.fail(gcpKmsDenial("cloudkms.cryptoKeyVersions.useToDecrypt", first)),
        unreachable: () => server.close(),
        throttle: () => server.fail(gcpKmsFaults.throttled),
        async close() {
          await client.close();
          await server.close();
        },
      };
    },
    inspect: (value) => inspect(value, { depth: 10, showHidden: true }),
  };
}

describe.each(["grpc", "rest"] as const)(
  "over %s, gcpKmsDriver keeps the contract",
  (transport) => {
    // Requirements: E13, E15
    it.for(cmkCases(harness(transport)))("$name", async (c, { skip }) => {
      skip(c.skip !== undefined, c.skip);
      await c.run();
    });
  },
);

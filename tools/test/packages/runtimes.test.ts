import { expect, it } from "vitest";
import { matrixOf } from "../../packages/runtimes.ts";

it("shows who opens whose messages, and says what does not open", () => {
  const { found, text } = matrixOf(["Node 24", "Bun"], {
    "Node 24": {},
    Bun: { "Node 24/stream": "Error: no" },
  });
  expect(found).toEqual(["Bun does not open Node 24/stream: Error: no"]);
  expect(text).toBe(
    ["         Node 24  Bun", "Node 24  opens    opens", "Bun      FAILED   opens"].join("\n"),
  );
});

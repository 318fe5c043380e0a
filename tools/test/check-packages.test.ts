import { expect, it } from "vitest";
import { nodeVersions } from "../check-packages.ts";

it("tries the oldest Node of each line that the packages allow, and the newest", () => {
  const versions = nodeVersions("^22.22.3 || ^24.15.0 || >=25.9.0");
  expect(versions.slice(0, 2)).toEqual(["22.22.3", "24.15.0"]);
  expect(versions[2]).toMatch(/^\d+\.\d+\.\d+$/);
  expect(versions).toHaveLength(3);
});

import { expect, it } from "vitest";
import { withoutChangeset } from "../api-report.ts";

it("wants a changeset for each package whose API has changed", () => {
  const changesets = ['---\n"@env/core": minor\n---\n\n`"@env/kms": minor` is only named.\n'];
  expect(withoutChangeset(["@env/core"], changesets)).toEqual([]);
  expect(withoutChangeset(["@env/core", "@env/kms"], changesets)).toEqual([
    "@env/kms has another API than its last release, and no changeset says so",
  ]);
});

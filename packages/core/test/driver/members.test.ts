import { memberOf, membersOf, textMatching } from "@env/core/driver";
import { expect, it } from "vitest";

it("finds inherited members, and none of what is no object", () => {
  expect(memberOf(new TypeError("text"), "name")).toBe("TypeError");
  expect([memberOf(null, "name"), memberOf("text", "length")]).toEqual([undefined, undefined]);
});

it("copies the members of an object, and none of anything else", () => {
  const value = { ttl: 5 };
  expect(membersOf(value)).toEqual(value);
  expect(membersOf(value)).not.toBe(value);
  expect([membersOf(null), membersOf("text")]).toEqual([{}, {}]);
});

it("passes text that matches, and nothing else", () => {
  expect(textMatching("ECONNRESET", /^E/)).toBe("ECONNRESET");
  expect([textMatching("secret", /^E/), textMatching(5, /5/)]).toEqual([undefined, undefined]);
});

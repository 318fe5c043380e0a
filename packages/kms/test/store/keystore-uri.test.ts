import { expect, it } from "vitest";
import { keystoreUri } from "../../src/store/keystore-uri.ts";

it.each([
  ["/srv/100%/a?b#c.kms", "keystore:/srv/100%25/a%3Fb%23c.kms?key=alias/app"],
  [
    "postgres://kms@a,b/k?schema=x&host=%2Frun",
    "keystore:postgres://kms@a,b/k%3Fschema=x%26host=%252Frun?key=alias/app",
  ],
])("a configuration names %s as %s", (place, uri) => {
  expect(keystoreUri(place, "alias/app")).toBe(uri);
});

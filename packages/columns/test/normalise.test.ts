import { expect, it } from "vitest";
import { normalise } from "../src/normalise.ts";

it.each(["Ada@Example.COM", "K\u0000~", "\uFF21da", "Ünï", "\u212A", "e\u0301", ""])(
  "takes %j as equal to its lower case in compatibility form",
  (text) => {
    expect(normalise("caseless", text)).toBe(
      text.normalize("NFKC").toLowerCase().normalize("NFKC"),
    );
  },
);

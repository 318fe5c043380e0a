import { errorCodes } from "@env/core";
import { describe, expect, it } from "vitest";
import { errorsDocument } from "../gen-errors.ts";
import { headingsOf } from "../markdown.ts";

describe("docs/errors.md", () => {
  it("says of each code what it means, what to do and whether to try again", () => {
    const text = errorsDocument({
      ERR_A: { meaning: "A broke.", next: "Mend A." },
      ERR_B: { meaning: "B is away.", next: "Wait.", retryable: true },
    });
    expect(text).toContain("## ERR_A\n\nA broke.\n\n- What to do: Mend A.\n- Retryable: no\n");
    expect(text).toContain("## ERR_B\n\nB is away.\n\n- What to do: Wait.\n- Retryable: yes\n");
  });

  it("has every code of the table, in its order", () => {
    const headings = headingsOf(errorsDocument(errorCodes)).filter(({ level }) => level === 2);
    expect(headings.map(({ text }) => text)).toEqual(Object.keys(errorCodes));
  });
});

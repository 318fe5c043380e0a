import { expect, test } from "vitest";
import { questionOf, searchOf } from "../../../src/pages/who-can/question.ts";

test("a question survives its address", () => {
  const question = {
    action: "kms:Decrypt",
    principal: "arn:aws:iam::111122223333:user/alice",
    key: "alias/app",
    encryptionContext: { "a&b": "c=d" },
    conditions: { "aws:SourceIp": "10.0.0.1" },
  };
  expect(questionOf(`?${searchOf(question)}`)).toEqual(question);
});

import { expect, test } from "vitest";
import { fromBase64, fromJson, toBase64, toJson } from "../../src/aws/wire.ts";

test("times are sent as seconds, and members without a value are not sent", () => {
  const request = { KeyId: "k", From: new Date(1500), Limit: undefined };
  expect(toJson(request)).toBe('{"KeyId":"k","From":1.5}');
});

test("times of answers become Dates, and other numbers stay", () => {
  expect(fromJson('{"CreationDate":1.5,"Time":2,"eventTime":"x","Count":3}')).toEqual({
    CreationDate: new Date(1500),
    Time: new Date(2000),
    eventTime: "x",
    Count: 3,
  });
});

test("an empty answer has no members", () => {
  expect(fromJson("")).toEqual({});
});

test("bytes survive base64", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
  expect(fromBase64(toBase64(bytes))).toEqual(bytes);
});

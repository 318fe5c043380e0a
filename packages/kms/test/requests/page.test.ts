import { expect, it } from "vitest";
import { fromMarker, toPage } from "../../src/requests/page.ts";

it("reads the markers that it made", () => {
  const { NextMarker, Truncated } = toPage("alias/app");
  expect(Truncated).toBe(true);
  expect(fromMarker(NextMarker, /^alias\/[a-z]+$/)).toBe("alias/app");
  expect(fromMarker(undefined, /^x$/)).toBeUndefined();
});

it("ends without a marker", () => {
  expect(toPage(undefined)).toEqual({ Truncated: false });
});

it.each(["", "MTI=", "M TI", "YWxpYXM", "ÄÖ", "MTIzNA"])("refuses the marker %j", (marker) => {
  expect(() => fromMarker(marker, /^[0-9]{1,3}$/)).toThrow(
    expect.objectContaining({ name: "InvalidMarkerException" }),
  );
});

import { BlockList } from "node:net";
import fc from "fast-check";
import { expect, it } from "vitest";
import { ipRange } from "../../src/policy/ip-range.ts";

it("agrees with node's BlockList on IPv4", () => {
  fc.assert(
    fc.property(fc.ipV4(), fc.ipV4(), fc.nat(32), (base, address, bits) => {
      const list = new BlockList();
      list.addSubnet(base, bits, "ipv4");
      expect(ipRange(`${base}/${bits}`)?.(address)).toBe(list.check(address, "ipv4"));
      expect(ipRange(`${base}/${bits}`)?.(base)).toBe(true);
    }),
  );
});

it("agrees with node's BlockList on IPv6", () => {
  const plain = fc.ipV6().filter((text) => !/^(?:0*:)*:?(?:0*:)*ffff:/i.test(text));
  fc.assert(
    fc.property(plain, plain, fc.nat(128), (base, address, bits) => {
      const list = new BlockList();
      list.addSubnet(base, bits, "ipv6");
      expect(ipRange(`${base}/${bits}`)?.(address)).toBe(list.check(address, "ipv6"));
      expect(ipRange(`${base}/${bits}`)?.(base)).toBe(true);
    }),
  );
});

it.each([
  "",
  "1.2.3",
  "1.2.3.4.5",
  "01.2.3.4",
  "1.2.3.256",
  "1.2.3.4/33",
  "1.2.3.4/",
  "1.2.3.4/-1",
  "1.2.3.4/8/8",
  "::1/129",
  "1:2:3:4:5:6:7",
  "1:2:3:4:5:6:7:8:9",
  "1::2::3",
  "1:2:3:4:5:6:7::8",
  "12345::",
  "g::",
  "1.2.3.4::",
  ":",
  ":::",
  "fe80::1%eth0",
  "::ffff:10.0.0.0/8",
  "::ffff:10.0.0.0/95",
  "::ffff:10.0.0.0/129",
  `${"0".repeat(50)}::`,
])("takes %j for no range", (text) => {
  expect(ipRange(text)).toBeUndefined();
});

it("takes an IPv4 address within IPv6 for the IPv4 address, in ranges and in requests", () => {
  expect(ipRange("10.0.0.0/8")?.("::ffff:10.1.2.3")).toBe(true);
  expect(ipRange("10.0.0.0/8")?.("::ffff:0a01:0203")).toBe(true);
  expect(ipRange("::ffff:10.0.0.1")?.("10.0.0.1")).toBe(true);
  expect(ipRange("10.0.0.0/8")?.("::10.1.2.3")).toBe(false);
  expect(ipRange("::ffff:10.0.0.0/104")?.("10.1.2.3")).toBe(true);
  expect(ipRange("::ffff:10.0.0.0/104")?.("11.1.2.3")).toBe(false);
  expect(ipRange("::ffff:0:0/96")?.("::ffff:10.1.2.3")).toBe(true);
  expect(ipRange("10.0.0.0/8")?.("64::ffff:10.1.2.3")).toBe(false);
});

it("takes only addresses for addresses", () => {
  for (const address of ["", "localhost", "10.0.0.1/32", " 10.0.0.1", "10.0.0.1:80"]) {
    expect(ipRange("0.0.0.0/0")?.(address)).toBe(false);
  }
});

/**
 * IP addresses and ranges in CIDR form, of both versions.
 *
 * An IPv4 address within IPv6 (`::ffff:192.0.2.1`), as a server on both sees it, is that IPv4 address,
 * and a range of them (`::ffff:10.0.0.0/104`) that IPv4 range.
 *
 * Source: RFC 4291 section 2.2, RFC 4632
 *
 * @module
 */

/** 16-bit groups: two for IPv4, eight for IPv6. */
type Address = readonly number[];

const OCTET = /^(?:0|[1-9]\d{0,2})$/;
const GROUP = /^[0-9a-fA-F]{1,4}$/;

/** The length of `::ffff:0:0`, which precedes an IPv4 address within IPv6. */
const MAPPED_BITS = 96;
/** The longest address with a prefix length. */
const MAX_CHARS = 49;

/**
 * Tells whether an address is in the range; undefined if `text` is not an address or a range. So is a
 * range around `::ffff:0:0/96` with a shorter prefix: it would be of both versions.
 */
export function ipRange(text: string): ((address: string) => boolean) | undefined {
  if (text.length > MAX_CHARS) return undefined;
  const [base = "", length, rest] = text.split("/");
  const network = parseAddress(base);
  if (network === undefined || rest !== undefined) return undefined;
  const all = network.length * 16;
  const mapped = base.includes(":") && all === 32 ? MAPPED_BITS : 0;
  if (length !== undefined && !/^\d{1,3}$/.test(length)) return undefined;
  const bits = length === undefined ? all : Number(length) - mapped;
  if (bits < 0 || bits > all) return undefined;
  return (address) => {
    const groups = parseAddress(address);
    return groups?.length === network.length && samePrefix(groups, network, bits);
  };
}

function samePrefix(a: Address, b: Address, bits: number): boolean {
  return a.every((group, index) => {
    const kept = Math.min(16, Math.max(0, bits - index * 16));
    return (group ^ (b[index] ?? 0)) >> (16 - kept) === 0;
  });
}

function parseAddress(text: string): Address | undefined {
  if (text.length > MAX_CHARS) return undefined;
  if (!text.includes(":")) return parseV4(text);
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half, index) => groupsOf(half, index === halves.length - 1));
  if (head === undefined) return undefined;
  if (halves.length === 1) return head.length === 8 ? unmapped(head) : undefined;
  if (tail === undefined || head.length + tail.length > 7) return undefined;
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => 0);
  return unmapped([...head, ...zeros, ...tail]);
}

/** Groups between colons, the last two of which may be written as an IPv4 address. */
function groupsOf(text: string, last: boolean): Address | undefined {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    const v4 = last && index === parts.length - 1 ? parseV4(part) : undefined;
    if (v4 !== undefined) groups.push(...v4);
    else if (GROUP.test(part)) groups.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return groups;
}

function parseV4(text: string): Address | undefined {
  const octets = text.split(".");
  const numbers = octets.map(Number);
  const [a = 0, b = 0, c = 0, d = 0] = numbers;
  const fits = octets.every((octet) => OCTET.test(octet)) && numbers.every((one) => one <= 255);
  return octets.length === 4 && fits ? [a * 256 + b, c * 256 + d] : undefined;
}

function unmapped(groups: Address): Address {
  const mapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xff_ff;
  return mapped ? groups.slice(6) : groups;
}

/**
 * Where the chains of the audit log end, and how the state names it. A file has one chain that grows. Others are there if
 * the keystore was in PostgreSQL before.
 *
 * Source: spec/kms-store-v1.md#chains, spec/kms-store-v1.md#moving
 *
 * @module
 */

/** The end of one chain. */
export interface LogEnd {
  readonly number: number;
  /** How often its row was written, where it has one. Never goes back, from place to place. */
  readonly commits: number;
  readonly heads: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
}

/** Heads by name, in base64, as the state has them. */
type Heads = Readonly<Record<string, string>>;

const CHAIN = "chain";

/** How the state names a chain's head. */
export function headName(name: string, chain: number): string {
  return chain === 0 ? name : `${name} ${chain}`;
}

/** How the state names the number of times that a chain was written. */
export function pledgeName(chain: number): string {
  return `${CHAIN} ${chain}`;
}

export function encodeCommits(commits: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(commits));
  return bytes;
}

export function decodeCommits(bytes: Uint8Array | undefined): number {
  return bytes === undefined ? 0 : Number(Buffer.from(bytes).readBigUInt64BE());
}

/** The ends of all chains that the state of a file has, in order: at least that of chain 0. */
export function readEnds(heads: Heads): readonly LogEnd[] {
  const found = new Map<number, { commits: number; heads: Map<string, Uint8Array<ArrayBuffer>> }>();
  const at = (number: number): { commits: number; heads: Map<string, Uint8Array<ArrayBuffer>> } => {
    const known = found.get(number) ?? { commits: 0, heads: new Map() };
    found.set(number, known);
    return known;
  };
  at(0);
  for (const [key, text] of Object.entries(heads)) {
    const [name = "", chain = "0"] = key.split(" ");
    const bytes = new Uint8Array(Buffer.from(text, "base64"));
    if (name === CHAIN) at(Number(chain)).commits = decodeCommits(bytes);
    else at(Number(chain)).heads.set(name, bytes);
  }
  return [...found]
    .map(([number, { commits, heads: ends }]) => ({ number, commits, heads: ends }))
    .toSorted((a, b) => a.number - b.number);
}

/** What the state of a file has of the chains. */
export function writeEnds(ends: readonly LogEnd[]): Heads {
  return Object.fromEntries(
    ends.flatMap(({ number, commits, heads }) => [
      [pledgeName(number), toText(encodeCommits(commits))],
      ...[...heads].map(([name, bytes]) => [headName(name, number), toText(bytes)]),
    ]),
  );
}

/** What the state has of the chains where they have rows of their own. */
export function writePledges(ends: readonly LogEnd[]): Heads {
  return writeEnds(ends.map((end) => ({ ...end, heads: new Map() })));
}

function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
}

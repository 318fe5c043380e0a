/**
 * Forgetting: the data of a person or a tenant becomes unreadable, wherever copies of the values are.
 *
 * Source: spec/columns-v1.md#shredding
 *
 * @module
 */
import { sign, verify, type KeyObject } from "node:crypto";
import { EnvelopeError, type Context } from "@env/core";
import { checkOptions } from "@env/core/driver";
import { partsOf, type AnyColumns } from "./columns.ts";
import { sqlFences } from "./fences.ts";
import { scopeHash } from "./key-table.ts";
import { toScope } from "./place.ts";
import type { SqlClient } from "./sql.ts";

/** The proof that a scope was shredded. It names the scope by its hash alone. */
export interface Receipt {
  /** What was signed: a JSON text with `scope`, `keys`, `fenced` and `shredded`. */
  readonly text: string;
  /** Ed25519, in base64url. */
  readonly signature: string;
}

export interface SubjectKeysOptions {
  readonly columns: AnyColumns;
  /** An Ed25519 private key, which signs receipts. */
  readonly signingKey: KeyObject;
  /** Is told of each receipt before it is returned: for an audit log. May be told of the same one twice. */
  readonly onShredded?: ((receipt: Receipt) => void | Promise<void>) | undefined;
}

const OPTIONS = new Set(["columns", "signingKey", "onShredded"]);
const LABEL = Buffer.from("env/columns/1/receipt\0");

/** Shreds scopes, most often those of persons: `{ subject: "42" }`. */
export class SubjectKeys {
  readonly #columns: AnyColumns;
  readonly #signingKey: KeyObject;
  readonly #onShredded: SubjectKeysOptions["onShredded"];

  /** @throws TypeError for options that cannot work. */
  constructor(options: SubjectKeysOptions) {
    checkOptions(options, OPTIONS);
    const { columns, signingKey, onShredded } = options;
    if (signingKey?.asymmetricKeyType !== "ed25519" || signingKey.type !== "private") {
      throw new TypeError("signingKey must be a private Ed25519 key");
    }
    this.#columns = columns;
    this.#signingKey = signingKey;
    this.#onShredded = onShredded;
  }

  /**
   * Shreds a scope: fences it everywhere, destroys its data keys, and signs a receipt. Idempotent; where an earlier
   * call was killed, it goes on, and a scope that was shredded already has the receipt that it had.
   *
   * Values stay as they are and answer `ERR_ENVELOPE_SHREDDED`. A process that holds the data key in memory can
   * read for as long as `holdFor` says.
   */
  async shred(subject: Context): Promise<Receipt> {
    const { client, keys } = partsOf(this.#columns);
    const hash = scopeHash(toScope(subject));
    for (const fences of this.#fences()) await fences.add(hash);
    const destroyed = await destroy(client, [hash]);
    keys.forget(destroyed);
    const receipt = (await readReceipt(client, hash)) ?? (await this.#sign(client, hash));
    await this.#onShredded?.(receipt);
    return receipt;
  }

  /** Returns the receipt of a scope; `undefined` if it was not shredded, or a restore has lost it. */
  async receipt(subject: Context): Promise<Receipt | undefined> {
    return readReceipt(partsOf(this.#columns).client, scopeHash(toScope(subject)));
  }

  /**
   * Applies all fences again, after a restore of the database: data keys that came back are destroyed, and fences
   * that were lost are written again. Returns how many data keys there were.
   */
  async reconcile(): Promise<number> {
    const { client, keys } = partsOf(this.#columns);
    const all = new Set<string>();
    for (const fences of this.#fences()) for (const hash of await fences.all()) all.add(hash);
    let found = 0;
    for (const hash of all) {
      for (const fences of this.#fences()) await fences.add(hash);
      const destroyed = await destroy(client, [hash]);
      keys.forget(destroyed);
      found += destroyed.length;
    }
    return found;
  }

  #fences(): ReturnType<typeof sqlFences>[] {
    const { client, fences } = partsOf(this.#columns);
    // Those that survive a restore of this database come first.
    return [...fences, sqlFences(client)];
  }

  async #sign(client: SqlClient, hash: string): Promise<Receipt> {
    const [fence] = await client.query("SELECT fenced FROM envelope_fences WHERE scope_hash = $1", [
      hash,
    ]);
    const keys = await client.query(
      "SELECT id FROM envelope_keys WHERE scope_hash = $1 ORDER BY id",
      [hash],
    );
    const text = JSON.stringify({
      scope: hash,
      keys: keys.map(({ id }) => String(id)),
      fenced: new Date(Number(fence?.["fenced"])).toISOString(),
      shredded: new Date().toISOString(),
    });
    const signature = sign(null, signed(text), this.#signingKey).toString("base64url");
    await client.query(
      "UPDATE envelope_fences SET receipt = $2 WHERE scope_hash = $1 AND receipt IS NULL",
      [hash, JSON.stringify({ text, signature })],
    );
    // Another process may have signed one at the same time: there is one receipt.
    return (await readReceipt(client, hash)) ?? { text, signature };
  }
}

/**
 * Whether a receipt was signed by this key, and is about this scope.
 *
 * @param publicKey - The public key that belongs to the `signingKey` of {@link SubjectKeys}.
 */
export function verifyReceipt(receipt: Receipt, subject: Context, publicKey: KeyObject): boolean {
  if (!verify(null, signed(receipt.text), publicKey, Buffer.from(receipt.signature, "base64url")))
    return false;
  const facts: unknown = JSON.parse(receipt.text);
  const hash = scopeHash(toScope(subject));
  return typeof facts === "object" && facts !== null && "scope" in facts && facts.scope === hash;
}

async function destroy(client: SqlClient, hashes: readonly string[]): Promise<string[]> {
  const places = hashes.map((_, at) => `$${at + 1}`).join(", ");
  const rows = await client.query(
    `UPDATE envelope_keys SET key_message = NULL, scope = NULL, state = 'destroyed'
     WHERE scope_hash IN (${places}) AND (key_message IS NOT NULL OR scope IS NOT NULL) RETURNING id`,
    hashes,
  );
  return rows.map(({ id }) => String(id));
}

async function readReceipt(client: SqlClient, hash: string): Promise<Receipt | undefined> {
  const [row] = await client.query("SELECT receipt FROM envelope_fences WHERE scope_hash = $1", [
    hash,
  ]);
  if (typeof row?.["receipt"] !== "string") return undefined;
  const receipt: unknown = JSON.parse(row["receipt"]);
  if (
    typeof receipt === "object" &&
    receipt !== null &&
    "text" in receipt &&
    "signature" in receipt
  ) {
    return { text: String(receipt.text), signature: String(receipt.signature) };
  }
  throw new EnvelopeError("ERR_ENVELOPE_FORMAT", "the receipt in envelope_fences is malformed");
}

function signed(text: string): Buffer {
  return Buffer.concat([LABEL, Buffer.from(text)]);
}

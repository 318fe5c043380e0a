/**
 * One request sent to two implementations of AWS KMS, and what is different about their answers.
 *
 * Requests are data. What an implementation chooses itself (key ids, ciphertexts, markers) goes by a name,
 * `$orders`, that stands for another value on each side; answers are compared after the way back.
 */
import { createPublicKey } from "node:crypto";
import { isKmsError, type Keystore, type KmsClient } from "../../src/index.ts";

export const ACCOUNT = "123456789012";
export const REGION = "eu-west-1";

export interface Step {
  /** AWS's name: `CreateKey`. */
  readonly call: string;
  readonly input: Readonly<Record<string, unknown>>;
  /** Names what the answer brings: a key, a ciphertext, a signature, a marker. */
  readonly as?: string;
}

/** One implementation, and what the names stand for there. */
export interface Side {
  readonly known: Map<string, Uint8Array | string>;
  /** The answer's members, or `{ refused: name }`. */
  send(call: string, input: Readonly<Record<string, unknown>>): Promise<Answer>;
}

type Answer = { readonly response: unknown } | { readonly refused: string };

export interface Difference {
  readonly call: string;
  /** `outcome`, or a member: `KeyMetadata.KeyState`, `Aliases[alias/a].TargetKeyId`. */
  readonly at: string;
  readonly ours: string;
  readonly moto: string;
}

/** A keystore's root as AWS's wire protocol would reach it. */
export function keystoreSide(keystore: Keystore): Side {
  const client = keystore.as();
  return {
    known: new Map(),
    async send(call, input) {
      try {
        return { response: await operationOf(client, call)(input) };
      } catch (error) {
        if (isKmsError(error)) return { refused: error.name };
        throw error;
      }
    },
  };
}

function operationOf(client: KmsClient, call: string): (input: unknown) => Promise<unknown> {
  const method: unknown = Reflect.get(client, `${call.charAt(0).toLowerCase()}${call.slice(1)}`);
  if (typeof method !== "function") throw new Error(`there is no operation ${call}`);
  return async (input) => method.call(client, input) as unknown;
}

/** moto by AWS JSON 1.1. It reads region and service from a signature, and checks none. */
export function motoSide(url: string): Side {
  const scope = `test/20260101/${REGION}/kms/aws4_request`;
  return {
    known: new Map(),
    async send(call, input) {
      const answer = await fetch(url, {
        method: "POST",
        headers: {
          "content-type": "application/x-amz-json-1.1",
          "x-amz-target": `TrentService.${call}`,
          authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=0`,
        },
        body: JSON.stringify(input),
      });
      const text = await answer.text();
      if (answer.status >= 500) return { refused: `HTTP ${answer.status}` };
      const body: unknown = text === "" ? {} : JSON.parse(text);
      if (answer.ok) return { response: body };
      return { refused: String((body as Record<string, unknown>)["__type"]) };
    },
  };
}

/** Forgets all keys of moto. */
export async function resetMoto(url: string): Promise<void> {
  const { ok } = await fetch(`${url}/moto-api/reset`, { method: "POST" });
  if (!ok) throw new Error("moto does not start anew");
}

/** Sends a step to both. `undefined`: a name in it has no value on one side. */
export async function compare(
  step: Step,
  ours: Side,
  moto: Side,
): Promise<readonly Difference[] | undefined> {
  const a = await answerOf(step, ours, (bytes) => bytes);
  if (a === undefined) return undefined;
  return compareWith(step, a, moto);
}

/** The second half of {@link compare}, where our answer is there already. */
export async function compareWith(
  step: Step,
  ours: ReadonlyMap<string, string>,
  moto: Side,
): Promise<readonly Difference[] | undefined> {
  const theirs = await answerOf(step, moto, (bytes) => Buffer.from(bytes).toString("base64"));
  if (theirs === undefined) return undefined;
  const differs = (at: string): boolean => ours.get(at) !== theirs.get(at);
  // Of a refusal and an answer, there is no more to compare.
  const places = differs("outcome") ? ["outcome"] : new Set([...ours.keys(), ...theirs.keys()]);
  return [...places].filter(differs).map((at) => ({
    call: step.call,
    at,
    ours: ours.get(at) ?? "absent",
    moto: theirs.get(at) ?? "absent",
  }));
}

/** What came of it, place by place, with the side's own values replaced by their names. */
export async function answerOf(
  { call, input, as }: Step,
  side: Side,
  bytes: (value: Uint8Array) => unknown,
): Promise<ReadonlyMap<string, string> | undefined> {
  const filled = fill(input, side.known, bytes);
  if (filled === undefined) return undefined;
  const answer = await side.send(call, filled as Record<string, unknown>);
  if ("refused" in answer) return new Map([["outcome", answer.refused]]);
  const places = new Map([["outcome", "answered"]]);
  const response = answer.response ?? {};
  if (as !== undefined) keep(as, response as Record<string, unknown>, side.known);
  flatten(response, "", side.known, places);
  return places;
}

/** The input with the side's own values; `undefined` where one of them is not there. */
function fill(
  value: unknown,
  known: Side["known"],
  bytes: (value: Uint8Array) => unknown,
): unknown {
  if (value instanceof Uint8Array) return bytes(value);
  if (Array.isArray(value)) {
    const all = value.map((one) => fill(one, known, bytes));
    return all.includes(undefined) ? undefined : all;
  }
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).map(([name, one]) => [name, fill(one, known, bytes)]);
    if (entries.some(([, one]) => one === undefined)) return undefined;
    return Object.fromEntries(entries) as unknown;
  }
  const name = typeof value === "string" ? /\$[a-z0-9]+$/.exec(value)?.[0] : undefined;
  if (typeof value !== "string" || name === undefined) return value;
  const found = known.get(name.slice(1));
  if (typeof found !== "string") return found === undefined ? undefined : bytes(found);
  return value.slice(0, -name.length) + found;
}

const blobs: ReadonlySet<string> = new Set([
  "CiphertextBlob",
  "ImportToken",
  "Mac",
  "Plaintext",
  "PrivateKeyCiphertextBlob",
  "PrivateKeyPlaintext",
  "PublicKey",
  "SharedSecret",
  "Signature",
]);

const dates = /(?:Date|ValidTo)$/;

/** What a later step may need of an answer. */
function keep(as: string, response: Record<string, unknown>, known: Side["known"]): void {
  const { KeyMetadata, NextMarker, Plaintext, PublicKey } = response;
  const blob = ["CiphertextBlob", "Mac", "Signature"].find((one) => response[one] !== undefined);
  if (KeyMetadata !== undefined) {
    known.set(as, String((KeyMetadata as Record<string, unknown>)["KeyId"]));
  }
  if (typeof NextMarker === "string") known.set(as, NextMarker);
  if (PublicKey !== undefined) known.set(as, toBytes(PublicKey));
  if (blob === undefined) return;
  known.set(as, toBytes(response[blob]));
  if (Plaintext !== undefined) known.set(`${as}plain`, toBytes(Plaintext));
}

function toBytes(value: unknown): Uint8Array {
  return value instanceof Uint8Array ? value : Buffer.from(String(value), "base64");
}

/** Each place of an answer, and what is there as far as both sides can agree on it. */
function flatten(value: unknown, at: string, known: Side["known"], out: Map<string, string>): void {
  const member = at.slice(at.lastIndexOf(".") + 1);
  if (value === null || value === undefined) return;
  if (value instanceof Date || (dates.test(member) && typeof value === "number")) {
    out.set(at, "a date");
  } else if (blobs.has(member)) {
    out.set(at, describeBytes(member, toBytes(value), known));
  } else if (Array.isArray(value)) {
    flattenList(value, at, known, out);
  } else if (typeof value === "object") {
    for (const [name, one] of Object.entries(value)) {
      flatten(one, at === "" ? name : `${at}.${name}`, known, out);
    }
  } else if (typeof value === "string") {
    out.set(at, describeText(member, value, known));
  } else {
    out.set(at, JSON.stringify(value));
  }
}

/** In no order: AWS promises none. Things with a name are found by it. */
function flattenList(
  list: readonly unknown[],
  at: string,
  known: Side["known"],
  out: Map<string, string>,
): void {
  const words = list.filter((one) => typeof one === "string");
  if (words.length === list.length) {
    out.set(at, words.toSorted().join(" "));
    return;
  }
  for (const [i, one] of list.entries()) {
    const { TagKey, AliasName, RotationDate, KeyId } = one as Record<string, unknown>;
    const name = TagKey ?? AliasName ?? (RotationDate === undefined ? KeyId : i);
    flatten(one, `${at}[${describeText("", String(name), known)}]`, known, out);
  }
}

function describeText(member: string, text: string, known: Side["known"]): string {
  if (member === "NextMarker") return "a marker";
  if (/^[0-9a-f]{64}$/.test(text)) return "64 hex digits";
  for (const [name, value] of known) {
    if (typeof value === "string" && value.length > 30) text = text.replace(value, `$${name}`);
  }
  return text;
}

function describeBytes(member: string, value: Uint8Array, known: Side["known"]): string {
  if (member === "CiphertextBlob" || member === "Signature" || member === "ImportToken") {
    return "some bytes";
  }
  if (member === "PublicKey") {
    const { asymmetricKeyType: type, asymmetricKeyDetails: details } = createPublicKey({
      key: Buffer.from(value),
      format: "der",
      type: "spki",
    });
    return `a public key: ${type} ${details?.modulusLength ?? details?.namedCurve ?? ""}`;
  }
  const name = [...known].find(
    ([key, one]) => key.endsWith("plain") && Buffer.from(value).equals(Buffer.from(one)),
  );
  if (name !== undefined) return `$${name[0]}`;
  return `${value.length} bytes`;
}

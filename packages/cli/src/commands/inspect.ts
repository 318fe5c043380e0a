/**
 * `envelope inspect`: what the header of a message says. Nothing else is read, and no KMS is called.
 *
 * @module
 */
import { inspect, type MessageFacts } from "@env/core";
import { MAX_HEADER_BYTES, plaintextLength } from "@env/core/message";
import { isEnvelopeError } from "@env/core";
import { readFront, readMessage, readPieces } from "../files.ts";
import {
  excludeOption,
  forEachInput,
  formOf,
  formOfFront,
  isNamedMessage,
  listInputs,
  peek,
  readStdin,
  requireAllDone,
  STANDARD,
  type Form,
} from "../inputs.ts";
import { keyVersionOf } from "../key-usage.ts";
import { examples, type Program } from "../program.ts";
import { formatBytes, printableLine } from "../text.ts";
import type { Ui } from "../ui.ts";
import { readText } from "./decrypt.ts";

export function addInspect(program: Program, ui: Ui): void {
  program
    .command("inspect")
    .summary("Show what the header of a message says.")
    .description(
      "Show what the header of a message says: keys, sizes, stored context. No KMS is called, and nothing that is shown is verified.",
    )
    .argument("<paths...>", "messages in either form, folders with --recursive, or - for stdin")
    .option("-r, --recursive", "all messages in folders")
    .addOption(excludeOption())
    .addHelpText(
      "after",
      examples(
        "envelope inspect report.pdf.envelope",
        "envelope inspect -r --json /srv/data | jq -r '.entries[].keyId' | sort | uniq -c",
      ),
    )
    .action(async (paths, { recursive = false, exclude }) => {
      const inputs = await listInputs(paths, { recursive, exclude });
      let first = true;
      // No keystore is open here, so any file may be.
      const totals = await forEachInput(ui, inputs, undefined, async ({ path, folder }) => {
        if (folder !== undefined && !isNamedMessage(path) && (await formOf(path)) === undefined) {
          return "not a message";
        }
        const facts = path === STANDARD ? await inspectStdin(ui) : await inspectFile(path);
        const [text, data] = [describe(path, facts), toJson(path, facts)];
        if (recursive) await ui.line(`${first ? "" : "\n"}${text}`, data);
        else await ui.answer(`${first ? "" : "\n"}${text}`, data);
        first = false;
        return undefined;
      });
      if (totals.files === 0) ui.note("nothing to inspect");
      requireAllDone(totals);
    });
}

interface Facts extends Omit<MessageFacts, "payloadBytes"> {
  readonly form: Form;
  /** `undefined` for a pipe, whose end is not awaited. */
  readonly payloadBytes: number | undefined;
}

async function inspectFile(path: string): Promise<Facts> {
  return readMessage(path, async (source) => {
    const front = await readFront(source, MAX_HEADER_BYTES);
    if (formOfFront(front) === "text" && source.size !== undefined) {
      return { form: "text", ...inspect(await readText(readPieces(source))) };
    }
    const atEnd = source.size === undefined && front.length < MAX_HEADER_BYTES;
    return factsOfFront(front, atEnd ? front.length : source.size);
  });
}

async function inspectStdin(ui: Ui): Promise<Facts> {
  const { front, pieces } = await peek(readStdin(ui.host), MAX_HEADER_BYTES);
  if (formOfFront(front) === "text") return { form: "text", ...inspect(await readText(pieces)) };
  await pieces.return();
  return factsOfFront(front, front.length < MAX_HEADER_BYTES ? front.length : undefined);
}

function factsOfFront(front: Uint8Array, size: number | undefined): Facts {
  const facts = inspect(front);
  const payloadBytes = size === undefined ? undefined : size - facts.headerBytes;
  const plaintextBytes = payloadBytes === undefined ? undefined : possibleLength(payloadBytes);
  return { form: "binary", ...facts, payloadBytes, plaintextBytes };
}

function possibleLength(payloadBytes: number): number | undefined {
  try {
    return plaintextLength(payloadBytes);
  } catch (error) {
    if (isEnvelopeError(error)) return undefined;
    throw error;
  }
}

function describe(path: string, facts: Facts): string {
  const { payloadBytes, plaintextBytes, storedContext, entries } = facts;
  const rows: [label: string, value: string][] = [
    ["format", `version ${facts.version}, ${facts.suite}${facts.form === "text" ? ", text" : ""}`],
    ["header", `${exact(facts.headerBytes)}, ${exact(facts.paddingBytes)} of it padding`],
    ["payload", payloadBytes === undefined ? "unknown (a pipe)" : exact(payloadBytes)],
  ];
  if (plaintextBytes !== undefined) rows.push(["plaintext", exact(plaintextBytes)]);
  else if (payloadBytes !== undefined) {
    rows.push([
      "plaintext",
      "not possible with this payload length: the message was truncated or has trailing data",
    ]);
  }
  if (storedContext === undefined) rows.push(["context", "not stored"]);
  else {
    const pairs = Object.entries(storedContext);
    if (pairs.length === 0) rows.push(["context", "stored, empty"]);
    for (const [key, value] of pairs) rows.push(["context", `${quote(key)} = ${quote(value)}`]);
  }
  if (entries === undefined) rows.push(["key block", "detached (stored elsewhere)"]);
  for (const entry of entries ?? []) {
    const version = keyVersionOf(entry);
    const what = version === undefined ? "" : `, key version ${version}`;
    const wrapped = `wrapped key of ${entry.wrapped.length} bytes${what}`;
    rows.push(["entry", `${entry.provider} ${entry.keyId}  (${wrapped})`]);
  }
  const lines = rows.map(([label, value]) => `  ${label.padEnd(10)}${printableLine(value)}`);
  return [printableLine(path), ...lines].join("\n");
}

/** An attacker may have chosen the context: quoted, so that a value cannot look like two pairs. */
function quote(text: string): string {
  return JSON.stringify(text);
}

function exact(bytes: number): string {
  return bytes < 100_000 ? `${bytes} bytes` : `${bytes} bytes (${formatBytes(bytes)})`;
}

function toJson(path: string, facts: Facts): unknown {
  return {
    path,
    ...facts,
    entries: facts.entries?.map((entry) => ({
      provider: entry.provider,
      keyId: entry.keyId,
      wrappedBytes: entry.wrapped.length,
      keyVersion: keyVersionOf(entry),
    })),
  };
}

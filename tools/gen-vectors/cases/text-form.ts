/** The text form, and the strings that lenient base64url decoders take for it. */

import { entry, keyBlockBody } from "../format.ts";
import { Kit } from "../testkit.ts";

interface TextVector {
  readonly spec: string;
  readonly comment: string;
  readonly text: string;
  readonly message?: string;
  readonly expect: "ok" | "ERR_ENVELOPE_FORMAT" | "ERR_ENVELOPE_TRUNCATED";
}

type TextCases = Readonly<Record<string, () => TextVector>>;

const spec = "envelope-v1.md#text-form";

/** A whole message whose length leaves the given remainder modulo 3. */
function message(remainder: number): Buffer {
  const kit = new Kit(`text ${remainder}`);
  const of = (pad: number): Buffer =>
    kit.seal({ body: keyBlockBody([entry("x.test", "k".repeat(pad), kit.bytes("w", 24))]) })
      .message;
  const fits = [1, 2, 3].map(of).filter((bytes) => bytes.length % 3 === remainder);
  return Buffer.concat(fits);
}

function encode(bytes: Buffer): string {
  return `env1.${bytes.toString("base64url")}`;
}

function ok(bytes: Buffer, comment: string): TextVector {
  return { spec, comment, text: encode(bytes), message: bytes.toString("hex"), expect: "ok" };
}

function bad(text: string, comment: string): TextVector {
  return { spec, comment, text, expect: "ERR_ENVELOPE_FORMAT" };
}

/** Text that ends where no text form does. */
function cut(text: string, comment: string): TextVector {
  return { spec, comment, text, expect: "ERR_ENVELOPE_TRUNCATED" };
}

/** The text with its last character replaced by the next one: only unused bits differ. */
function trailingBits(remainder: number): string {
  const text = encode(message(remainder));
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return text.slice(0, -1) + alphabet.charAt(alphabet.indexOf(text.slice(-1)) + 1);
}

/** A character put where the text has room for it in the middle. */
function inserted(what: string): string {
  const text = encode(message(0));
  return `${text.slice(0, 40)}${what}${text.slice(40)}`;
}

/** One character of the middle replaced, so that the length stays possible. */
function replaced(what: string): string {
  const text = encode(message(0));
  return `${text.slice(0, 40)}${what}${text.slice(41)}`;
}

export const textForm: TextCases = {
  "remainder-0": () => ok(message(0), "length divisible by 3: no character has unused bits"),
  "remainder-1": () => ok(message(1), "remainder 1: two characters at the end, four unused bits"),
  "remainder-2": () => ok(message(2), "remainder 2: three characters at the end, two unused bits"),
  "both-extra-characters": () => {
    const bytes = new Kit("text both").seal({ plaintext: Buffer.alloc(3000) }).message;
    return ok(bytes, "long enough to use - and _");
  },
  "prefix-missing": () => bad(encode(message(0)).slice(5), "no prefix"),
  // Requirements: E41
  "prefix-upper-case": () =>
    bad(encode(message(0)).replace("env1", "ENV1"), "ENV1. is not the prefix"),
  "prefix-without-dot": () => bad(encode(message(0)).replace(".", ""), "env1 without a dot"),
  "prefix-colon": () => bad(encode(message(0)).replace(".", ":"), "env1: is not the prefix"),
  // Requirements: E41
  "prefix-env2": () => bad(encode(message(0)).replace("env1", "env2"), "another text form"),
  // Requirements: E43
  "prefix-only": () => cut("env1.", "nothing after the prefix"),
  "prefix-twice": () => bad(`env1.${encode(message(0))}`, "the prefix twice"),
  empty: () => bad("", "the empty string"),
  // Requirements: E42
  "padding-1": () => bad(`${encode(message(2))}=`, "one padding character"),
  "padding-2": () => bad(`${encode(message(1))}==`, "two padding characters"),
  "padding-needless": () => bad(`${encode(message(0))}=`, "padding where none is due"),
  // Requirements: E42
  plus: () => bad(replaced("+"), "+ of the standard alphabet"),
  slash: () => bad(replaced("/"), "/ of the standard alphabet"),
  // Requirements: E43
  "trailing-bits-4": () => cut(trailingBits(1), "a nonzero bit among the four unused ones"),
  "trailing-bits-2": () => cut(trailingBits(2), "a nonzero bit among the two unused ones"),
  // Requirements: E43
  "length-impossible": () => cut(`${encode(message(0))}A`, "one character more than whole groups"),
  // Requirements: E42
  "length-impossible-and-a-blank": () =>
    bad(`${encode(message(0)).slice(0, -4)} `, "a character outside the alphabet decides"),
  "cut-inside-a-group": () => {
    const text = encode(Buffer.alloc(9, 0xff));
    return cut(text.slice(0, -2), "cut in the middle of a group: its unused bits are not zero");
  },
  "space-leading": () => bad(` ${encode(message(0))}`, "a blank in front"),
  "space-after-prefix": () =>
    bad(encode(message(0)).replace(".", ". "), "a blank after the prefix"),
  "space-inside": () => bad(inserted(" "), "a blank inside"),
  "newline-inside": () => bad(inserted("\n"), "a line break inside, as mail and PEM have them"),
  // Requirements: E42
  "newline-trailing": () => bad(`${encode(message(0))}\n`, "a line break at the end"),
  "tab-trailing": () => bad(`${encode(message(0))}\t`, "a tab at the end"),
  "nul-trailing": () => bad(`${encode(message(0))}\0`, "NUL at the end"),
  "bom-leading": () => bad(`\ufeff${encode(message(0))}`, "U+FEFF in front"),
  "not-ascii": () => bad(replaced("\u00e9"), "a letter beyond ASCII"),
  "full-width": () =>
    bad(replaced("\uff21"), "a full-width A, whose low byte is an exclamation mark"),
  // Requirements: E42
  "low-byte-in-alphabet": () => bad(replaced("\u0141"), "U+0141, whose low byte is A"),
  "dot-inside": () => bad(replaced("."), "a second dot, as in other token formats"),
  "percent-encoded": () => bad(encode(message(0)).replace(".", "%2E"), "the dot percent-encoded"),
};

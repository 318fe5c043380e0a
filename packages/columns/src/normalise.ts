/**
 * What a blind index takes as equal: named rules, which are total, so that no value stops a pass over a table.
 *
 * Source: spec/columns-v1.md#normalisation
 *
 * @module
 */

/**
 * - `exact`: the same characters.
 * - `nfc`: the same text, however its accents are composed.
 * - `caseless`: also whatever the case, and compatibility forms such as full width.
 * - `email`: `caseless`, without spaces around it.
 * - `phone`: the same digits, with `+` or `00` in front of an international number.
 */
export type IndexRule = "exact" | "nfc" | "caseless" | "email" | "phone";

// oxlint-disable-next-line no-control-regex -- all of ASCII
const ASCII = /^[\u0000-\u007F]*$/;

const rules: Readonly<Record<IndexRule, (text: string) => string>> = {
  exact: (text) => text,
  nfc: (text) => text.normalize("NFC"),
  caseless,
  email: (text) => caseless(text.replaceAll(/^[\t\n\f\r ]+|[\t\n\f\r ]+$/g, "")),
  phone(text) {
    const digits = text.normalize("NFKC").replaceAll(/[^0-9+]/g, "");
    const international = digits.startsWith("+") || digits.startsWith("00");
    return (
      (international ? "+" : "") + digits.replaceAll("+", "").slice(digits.startsWith("00") ? 2 : 0)
    );
  },
};

export const INDEX_RULES: ReadonlySet<string> = new Set(Object.keys(rules));

/** Returns the text that stands for all texts that `rule` takes as equal. */
export function normalise(rule: IndexRule, text: string): string {
  return rules[rule](text);
}

/** Lower case by Unicode's default mappings, whatever the locale. */
function caseless(text: string): string {
  // Most text is ASCII, which the two normalisations leave as it is.
  if (ASCII.test(text)) return text.toLowerCase();
  return text.normalize("NFKC").toLowerCase().normalize("NFKC");
}

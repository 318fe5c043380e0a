/**
 * A question as an address, so that it can be sent to somebody.
 *
 * @module
 */
import type { ExplainRequest } from "@env/kms";

export function questionOf(search: string): ExplainRequest {
  const given = new URLSearchParams(search);
  const text = (name: string): string | undefined => given.get(name) ?? undefined;
  const map = (prefix: string): Record<string, string> | undefined => {
    const found = [...given].flatMap(([name, value]): [string, string][] =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), value]] : [],
    );
    return found.length === 0 ? undefined : Object.fromEntries(found);
  };
  return {
    action: text("action") ?? "",
    principal: text("principal"),
    key: text("key"),
    encryptionContext: map("context."),
    conditions: map("condition."),
  };
}

export function searchOf({
  action,
  principal,
  key,
  encryptionContext = {},
  conditions = {},
}: ExplainRequest): string {
  const search = new URLSearchParams({ action });
  if (principal !== undefined) search.set("principal", principal);
  if (key !== undefined) search.set("key", key);
  for (const [name, value] of Object.entries(encryptionContext))
    search.set(`context.${name}`, value);
  for (const [name, value] of Object.entries(conditions))
    search.set(`condition.${name}`, String(value));
  return search.toString();
}

/**
 * Names of keys in Transit. Vault has no canonical id for a key, so the path is used:
 * `team/transit/orders` is the key `orders` of the engine at `transit` in the namespace `team`.
 *
 * The grammar is Vault's own. It keeps a name from being read as a path: `..` would be taken out of a
 * URL, and the request would go elsewhere.
 *
 * Source: OpenBao sdk/framework/path.go, GenericNameRegex
 *
 * @module
 */

export interface KeyName {
  /** Empty for the root namespace. */
  readonly namespace: string;
  readonly mount: string;
  readonly name: string;
}

const SEGMENT = /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?$/;
const MAX_LABEL_BYTES = 512;

export function isName(text: unknown): text is string {
  return typeof text === "string" && SEGMENT.test(text);
}

/** Segments between slashes, as a mount or a namespace has them. */
export function isPath(text: unknown): text is string {
  return typeof text === "string" && text.split("/").every((segment) => SEGMENT.test(segment));
}

/** Returns the label of entries. */
export function labelOf({ namespace, mount, name }: KeyName): string {
  return namespace === "" ? `${mount}/${name}` : `${namespace}/${mount}/${name}`;
}

/** Whether the label of a key fits into an entry. */
export function hasLabel(key: KeyName): boolean {
  return labelOf(key).length <= MAX_LABEL_BYTES;
}

/** Returns the key that a label names; `undefined` for anything but a label in this namespace. */
export function parseLabel(label: unknown, namespace: string): KeyName | undefined {
  const start = namespace === "" ? "" : `${namespace}/`;
  if (!isPath(label) || !label.startsWith(start)) return undefined;
  const path = label.slice(start.length);
  const end = path.lastIndexOf("/");
  if (end === -1) return undefined;
  return { namespace, mount: path.slice(0, end), name: path.slice(end + 1) };
}

/**
 * Text of a policy as it may stand in a message.
 *
 * @module
 */

/** Characters of a policy that a message repeats in one place. */
const SHOWN = 100;

/** The text, cut where it is long: a message never repeats a whole policy. */
export function excerpt(text: string): string {
  return text.length <= SHOWN ? text : `${text.slice(0, SHOWN)}…`;
}

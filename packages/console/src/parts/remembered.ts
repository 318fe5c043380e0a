/**
 * Preferences that outlive the page, such as columns. Nothing of keys is among them.
 *
 * @module
 */
import { useState } from "preact/hooks";

export function remembered<T>(name: string, initial: () => T): [T, (value: T) => void] {
  const key = `console.${name}`;
  const [value, setValue] = useState<T>(() => {
    try {
      const known = localStorage.getItem(key);
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Only this function writes it.
      return known === null ? initial() : (JSON.parse(known) as T);
    } catch {
      return initial();
    }
  });
  return [
    value,
    (next) => {
      localStorage.setItem(key, JSON.stringify(next));
      setValue(next);
    },
  ];
}

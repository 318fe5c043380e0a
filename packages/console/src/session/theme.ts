/**
 * Light, dark, or as the system has it.
 *
 * @module
 */
import { effect, signal } from "@preact/signals";

export const themes = ["system", "light", "dark"] as const;
export type Theme = (typeof themes)[number];

const KEY = "console.theme";

export const theme = signal<Theme>(
  themes.find((each) => each === localStorage.getItem(KEY)) ?? "system",
);

export function applyTheme(): void {
  effect(() => {
    document.documentElement.dataset["theme"] = theme.value;
    localStorage.setItem(KEY, theme.value);
  });
}

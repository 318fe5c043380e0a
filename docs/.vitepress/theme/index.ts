/**
 * VitePress' own theme, and what pages need besides.
 *
 * @module
 */
import type { Theme } from "vitepress";
import DefaultTheme from "vitepress/theme";
import { CostCalculator } from "./cost-calculator.ts";
// oxlint-disable-next-line import/no-unassigned-import -- a style sheet.
import "./site.css";

const theme: Theme = {
  extends: DefaultTheme,
  enhanceApp({ app }) {
    app.component("CostCalculator", CostCalculator);
  },
};

export default theme;

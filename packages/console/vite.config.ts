import { defineConfig } from "vite";

// oxlint-disable-next-line import/no-default-export -- Vite asks for it.
export default defineConfig({
  base: "/console/",
  resolve: { conditions: ["@env/source"] },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2024",
    // The policy of the pages allows neither data: addresses nor inline scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    license: { fileName: "LICENSES-OF-OTHERS.md" },
  },
});

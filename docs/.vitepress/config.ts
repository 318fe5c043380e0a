/**
 * The site: all documents of the repository, with a search, the reference of the API and that of the commands.
 *
 *     pnpm exec nx site          builds it into docs/generated/site; a link that leads nowhere is an error
 *
 * @module
 */
import { relative } from "node:path";
import { defineConfig, type MarkdownRenderer } from "vitepress";
import { headingsOf, slugOf } from "../../tools/markdown.ts";
import { readRoot, repositoryPage } from "../../tools/workspace.ts";
import { linkOf, pageOf, site, staged } from "./pages.ts";
import { sidebar } from "./sidebar.ts";

export default defineConfig({
  title: "Env",
  description: readRoot().description ?? "",
  srcDir: staged,
  outDir: site,
  rewrites: pageOf,
  vite: {
    // The calculator takes prices from the console's sources.
    resolve: { conditions: ["@env/source"] },
    build: { chunkSizeWarningLimit: 2000 },
  },
  markdown: {
    attrs: { disable: true },
    anchor: { slugify: slugOf },
    config: followLinks,
  },
  themeConfig: {
    nav: [
      { text: "First message", link: "/tutorials/first-message" },
      { text: "Concepts", link: "/concepts" },
      { text: "API", link: "/api/" },
      { text: "Security", link: "/security" },
    ],
    sidebar: sidebar(),
    outline: { level: [2, 3] },
    socialLinks: [{ icon: "github", link: repositoryPage() }],
    search: {
      provider: "local",
      options: {
        // Of the reference, only names: its texts would hide what explains them.
        _render: (text, env, md) =>
          md.render(env.relativePath.startsWith("api/") ? headings(text) : text, env),
      },
    },
  },
});

/** Links are written for GitHub and npm. */
function followLinks(md: MarkdownRenderer): void {
  md.core.ruler.push("follow-links", ({ tokens, env }) => {
    const document = relative(staged, env.realPath ?? env.path);
    for (const token of tokens.flatMap(({ children }) => children ?? [])) {
      const href = token.type === "link_open" ? token.attrGet("href") : null;
      if (href !== null) token.attrSet("href", linkOf(document, href));
    }
  });
}

function headings(markdown: string): string {
  return headingsOf(markdown)
    .map(({ level, text }) => `${"#".repeat(level)} ${text}\n`)
    .join("\n");
}

import { describe, expect, it } from "vitest";
import { brokenCode, brokenExamples } from "../documented-code.ts";
import { readText } from "../workspace.ts";

describe("code", () => {
  const broken = (markdown: string): Promise<string[]> => brokenCode({ "README.md": markdown });
  const fence = (info: string, code: string): string => `# T\n\n\`\`\`${info}\n${code}\n\`\`\`\n`;

  it("is checked against the sources, with the names its document declares", async () => {
    const prelude = `<!-- ts\ndeclare const n: number;\n-->\n`;
    const code = `import { inspect } from "@env/core";\nconst facts = inspect("env1.");\nfacts.bytes + n;`;
    const good = fence("ts", code.replace("bytes", "headerBytes"));
    expect(await broken(prelude + fence("ts", code) + good)).toEqual([
      expect.stringMatching(/^README\.md:9: error TS2339: Property 'bytes' does not exist/),
    ]);
  });

  it("runs where it is marked so, in an empty folder", async () => {
    const good = `import { readdirSync } from "node:fs";\nif (readdirSync(".").length > 0) throw new Error("not empty");`;
    const bad = `import { inspect } from "@env/core";\ninspect("env1.");`;
    const document = fence("ts run", good) + fence("ts", bad) + fence("ts run", bad);
    expect(await broken(document)).toEqual([
      expect.stringMatching(
        /^README\.md:16: it failed, run number 1\n[\s\S]*ERR_ENVELOPE_TRUNCATED/,
      ),
    ]);
  });

  it("runs a second time in the folder that the first run left", async () => {
    const once = `import { writeFileSync } from "node:fs";\nwriteFileSync("made", "", { flag: "wx" });`;
    expect(await broken(fence("ts run", once))).toEqual([
      expect.stringMatching(/it failed, run number 2\n[\s\S]*EEXIST/),
    ]);
  });

  it("finds what the commands before it made", async () => {
    const program = `import { readFileSync } from "node:fs";\nreadFileSync("envelope.config.json");`;
    const commands = fence("sh run", "npx -y pnpm@12.21.0 envelope init");
    expect(await broken(commands + fence("ts run", program))).toEqual([]);
    expect(await broken(fence("sh run", "envelope nothing"))).toEqual([
      expect.stringMatching(/^README\.md:4: it failed, run number 1\n[\s\S]*unknown command/),
    ]);
  });

  it("has a store in place of Amazon S3 where its document asks for one", async () => {
    const list = `import { ListBucketsCommand, S3Client } from "@aws-sdk/client-s3";
const { Buckets } = await new S3Client({}).send(new ListBucketsCommand({}));
if (Buckets?.[0]?.Name !== "photos") throw new Error("no photos");`;
    const document = `<!-- s3: photos -->\n${fence("ts run", list)}`;
    expect(await broken(document)).toEqual([]);
  });

  it("with a name is a file that programs and commands find", async () => {
    const table = fence("ts table.ts", `export const name: string = "users";`);
    const program = `import { name } from "./table.ts";\nif (name !== "users") throw new Error(name);`;
    const document = table + fence("ts run", program) + fence("sh run", "grep users table.ts");
    expect(await broken(document)).toEqual([]);
    expect(await broken(fence("sh run", "grep users table.ts"))).toHaveLength(1);
  });

  it("has a PostgreSQL where its document asks for one and it is installed", async () => {
    const program = `import { Client } from "pg";
const client = new Client(process.env["DATABASE_URL"]);
await client.connect();
const { rows } = await client.query("SELECT 1 AS one");
await client.end();
throw new Error(\`found \${rows[0].one}\`);`;
    const document = `<!-- postgres -->\n${fence("ts run", program)}`;
    const found = (await broken(document)).join("\n");
    expect(found).toMatch(/^(?:$|README\.md:5: it failed, run number 1\n[\s\S]*found 1)/);
  });

  it("of other languages is left alone", async () => {
    expect(await broken(fence("sh", "exit 1") + fence("", "not ( code"))).toEqual([]);
  });
});

describe("examples", () => {
  const document = "examples/README.md";
  const shown = (output: string): string => `\`\`\`text own-driver.ts\n${output}\`\`\`\n`;

  it("print what the document shows", async () => {
    const output = `${/.* cases passed, .*/.exec(readText(document))?.[0]}\n`;
    expect(await brokenExamples(document, shown(output), ["own-driver.ts"])).toEqual([]);
    expect(await brokenExamples(document, shown("all passed\n"), ["own-driver.ts"])).toEqual([
      `${document}: the output of own-driver.ts is another now:\n${output.trimEnd()}`,
    ]);
  });

  it("are all shown, and run", async () => {
    expect(await brokenExamples(document, shown(""), ["other.ts"])).toEqual([
      expect.stringContaining("the output of other.ts is not shown"),
    ]);
    expect(await brokenExamples(document, "```text none.ts\n```\n", ["none.ts"])).toEqual([
      expect.stringMatching(/none\.ts failed\n[\s\S]*MODULE_NOT_FOUND/),
    ]);
  });
});

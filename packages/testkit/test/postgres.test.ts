import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { startPostgres } from "../src/postgres.ts";

test("a PostgreSQL keeps what it holds when it is killed and started again", async ({ skip }) => {
  const server = await startPostgres();
  if (typeof server === "string") return skip(server);
  try {
    const query = (sql: string): string => server.run("psql", "-qtA", server.url, "-c", sql).trim();
    query("CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)");
    await server.kill();
    expect(() => query("SELECT n FROM kept")).toThrow("refused");
    await server.start();
    expect(query("SELECT n FROM kept")).toBe("1");
  } finally {
    await server.stop();
  }
  expect(existsSync(server.folder)).toBe(false);
  return undefined;
}, 60_000);

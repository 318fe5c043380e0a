/** A console on several nodes of one PostgreSQL, behind a load balancer that asks any of them. */
import { createKeystore, openKeystore } from "@env/kms";
import { tempFolder } from "@env/testkit/folder";
import { startPostgres } from "@env/testkit/postgres";
import { expect, it, onTestFinished } from "vitest";
import { builtPages, cookieFrom, own, sessionFrom, signedFetch } from "../support/console.ts";
import { startedServer, type Credentials } from "../support/server.ts";

interface Node {
  readonly url: string;
  readonly stop: () => Promise<void>;
}

/** Starts nodes on one new PostgreSQL. A string says why there is none. */
async function nodes(): Promise<
  string | { readonly credentials: Credentials; readonly node: () => Promise<Node> }
> {
  const server = await startPostgres({ settings: { fsync: "off" } });
  if (typeof server === "string") return server;
  onTestFinished(() => server.stop());
  const root = { keyFile: `${tempFolder()}/key` };
  const created = await createKeystore(server.url, { root });
  const credentials = await created.iam.accessKeys.create("root");
  created.close();
  const node = async (): Promise<Node> => {
    const keystore = await openKeystore(server.url, { root });
    onTestFinished(() => keystore.close());
    const { url, server: one } = await startedServer(
      { console: { folder: builtPages() } },
      keystore,
    );
    const stop = async (): Promise<void> => {
      await one.close();
      keystore.close();
    };
    return { url, stop };
  };
  return { credentials, node };
}

it("whoever has signed in at one node is signed in at all of them", async ({ skip }) => {
  const made = await nodes();
  if (typeof made === "string") return skip(made);
  const { credentials, node } = made;
  const [a, b] = [await node(), await node()];
  // The browser knows one name for all nodes, and the cookie has the port.
  const ask = (
    { url }: { url: string },
    method: string,
    cookie: string,
    token?: string,
  ): Promise<Response> => {
    const { port } = new URL(url);
    const headers = {
      cookie: cookie.replace(/^envelope-console-[0-9]+/, `envelope-console-${port}`),
      ...(token === undefined ? {} : { "x-console-token": token }),
    };
    return fetch(`${url}/console/session`, { method, headers });
  };

  const begun = await signedFetch({ url: `${a.url}/console/session`, service: "sts", credentials });
  const cookie = cookieFrom(begun);
  const session = await sessionFrom(begun);
  const there = await sessionFrom(await ask(b, "GET", cookie));
  expect(there).toEqual({ ...session, credentials: undefined });

  const renewal = await ask(b, "PUT", cookie, session.token);
  const renewed = cookieFrom(renewal);
  const { token } = await sessionFrom(renewal);
  expect((await ask(a, "GET", cookie)).status).toBe(401);
  await a.stop();
  const again = await node();
  expect((await ask(again, "GET", renewed)).status).toBe(200);

  expect((await ask(again, "DELETE", renewed, token)).status).toBe(204);
  for (const one of [again, b]) expect((await ask(one, "GET", renewed)).status).toBe(401);
  return undefined;
});

it("the log of all nodes is verified at any of them, and an anchor of it is confirmed by another", async ({
  skip,
}) => {
  const made = await nodes();
  if (typeof made === "string") return skip(made);
  const { credentials, node } = made;
  const [a, b] = [await node(), await node()];
  const verify = (
    { url }: Node,
    Anchor?: unknown,
  ): Promise<{ status: number; answer: Record<string, unknown> }> =>
    own(url, credentials, "VerifyAudit", Anchor === undefined ? {} : { Anchor });

  expect((await verify(a)).status).toBe(200);
  const { answer } = await verify(b);
  expect(answer["Report"]).toMatchObject({ intact: true, chains: [{}] });
  const later = await verify(a, answer["Anchor"]);
  expect(later.answer["Report"]).toMatchObject({ intact: true, anchor: "confirmed" });
  expect(later.answer["Anchor"]).not.toEqual(answer["Anchor"]);
  return undefined;
});

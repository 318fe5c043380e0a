/** A console on several nodes of one PostgreSQL, behind a load balancer that asks any of them. */
import { createKeystore, openKeystore, type Keystore } from "@env/kms";
import { tempFolder } from "@env/testkit/folder";
import { startPostgres } from "@env/testkit/postgres";
import { expect, it, onTestFinished } from "vitest";
import { builtPages, cookieFrom, sessionFrom, signedFetch } from "../support/console.ts";
import { startedServer } from "../support/server.ts";

it("whoever has signed in at one node is signed in at all of them", async ({ skip }) => {
  const server = await startPostgres({ settings: { fsync: "off" } });
  if (typeof server === "string") return skip(server);
  onTestFinished(() => server.stop());
  const root = { keyFile: `${tempFolder()}/key` };
  const created = await createKeystore(server.url, { root });
  const credentials = await created.iam.accessKeys.create("root");
  created.close();
  const node = async (): Promise<{ keystore: Keystore; url: string; stop(): Promise<void> }> => {
    const keystore = await openKeystore(server.url, { root });
    onTestFinished(() => keystore.close());
    const started = await startedServer({ console: { folder: builtPages() } }, keystore);
    const url = `${started.url}/console/session`;
    const stop = async (): Promise<void> => {
      await started.server.close();
      keystore.close();
    };
    return { keystore, url, stop };
  };
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
    return fetch(url, { method, headers });
  };

  const begun = await signedFetch({ url: a.url, service: "sts", credentials });
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

import { moveKeystore } from "@env/kms";
import { expect, it } from "vitest";
import { tempPath } from "../../kms/test/support/keystore.ts";
import { cookieFrom, sessionFrom, signedFetch, startedConsole } from "./support/console.ts";
import type { LogEntry } from "../src/index.ts";

it("a keystore that has moved is unavailable, in every protocol", async () => {
  const logged: LogEntry[] = [];
  const page = await startedConsole({ log: (entry) => void logged.push(entry) });
  const { url, credentials, keystore } = page;
  const begun = await page.signIn();
  const { token } = await sessionFrom(begun);
  const { path } = keystore;
  await moveKeystore(path, tempPath(), { root: { keyFile: `${path}.key` } });
  const message =
    "The keystore is being moved, or has moved. Try again, or ask who runs this server.";

  const json = await signedFetch({
    url,
    credentials,
    headers: {
      "content-type": "application/x-amz-json-1.1",
      "x-amz-target": "TrentService.ListKeys",
    },
    body: "{}",
  });
  expect([json.status, await json.json()]).toEqual([
    503,
    { __type: "DependencyTimeoutException", message },
  ]);

  const form = await signedFetch({
    url,
    service: "sts",
    credentials,
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: "Action=GetCallerIdentity&Version=2011-06-15",
  });
  expect(form.status).toBe(503);
  expect(await form.text()).toContain(
    `<Error><Type>Receiver</Type><Code>ServiceUnavailable</Code><Message>${message}</Message></Error>`,
  );

  const headers = { cookie: cookieFrom(begun), "x-console-token": token };
  const session = await page.session("PUT", headers);
  expect([session.status, await session.json()]).toEqual([503, { message }]);
  expect((await fetch(`${url}/readyz`)).status).toBe(503);
  // Whoever runs the server is told where it is.
  expect(logged.filter(({ fault }) => fault?.includes("it was moved to") === true)).toHaveLength(3);
});

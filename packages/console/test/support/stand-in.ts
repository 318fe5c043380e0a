/* oxlint-disable -- It goes once the server has all of this. */
/**
 * The server of the console until `createKmsServer` has it: built pages, a session, and the console's own calls over a keystore.
 */
import { readFile } from "node:fs/promises";
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import { extname, join } from "node:path";
import {
  isKmsError,
  lintPolicy,
  type AuditEntry,
  type ExplainRequest,
  type Keystore,
  type NewAccessKey,
} from "@env/kms";
import { createKmsServer } from "@env/kms-server";

const dist = join(import.meta.dirname, "../../dist");
const types: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export async function standIn(keystore: Keystore, accessKeys: readonly NewAccessKey[], port = 0) {
  const server = createKmsServer(keystore, { port: 0, auth: "strict" });
  const target = new URL(await server.listen());
  const secrets = new Map(accessKeys.map((key) => [key.accessKeyId, key]));

  const front = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      response.writeHead(500).end(String(error));
    });
  });
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? "";
    if (path.startsWith("/console/session")) return session(request, response);
    if (path === "/console" || path.startsWith("/console/"))
      return page(path.replace("/console", ""), response);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const name = String(request.headers["x-amz-target"] ?? "");
    if (name.startsWith("EnvelopeConsole."))
      return own(name.slice(16), JSON.parse(body.toString()), await principalOf(request), response);
    const proxied = httpRequest(
      {
        host: target.hostname,
        port: target.port,
        path,
        method: request.method ?? "GET",
        headers: request.headers,
      },
      (got) => {
        response.writeHead(got.statusCode ?? 500, got.headers);
        got.pipe(response);
      },
    );
    proxied.end(body);
  }
  async function principalOf(request: IncomingMessage): Promise<string> {
    const id = /Credential=(\w+)\//.exec(request.headers.authorization ?? "")?.[1] ?? "";
    return (await keystore.iam.credential(id))?.principal ?? "";
  }
  async function session(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const send = (status: number, value: object) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
    const signer = /Credential=(\w+)\//.exec(request.headers.authorization ?? "")?.[1];
    const cookie = /session=(\w+)/.exec(request.headers.cookie ?? "")?.[1];
    const signedIn = request.method === "POST" ? signer : cookie;
    response.setHeader(
      "set-cookie",
      `session=${request.method === "DELETE" ? "" : signedIn}; HttpOnly; SameSite=Strict; Path=/console`,
    );
    if (request.method === "DELETE" || (request.method === "GET" && !signedIn))
      return void response.writeHead(204).end();
    const key = secrets.get(signedIn ?? "");
    const known = key && (await keystore.iam.credential(key.accessKeyId));
    if (!key || !known)
      return void send(401, {
        message: signedIn === undefined ? "There is no session." : "The access key is not known.",
      });
    const { accountId, region } = keystore.facts;
    const base = {
      principal: known.principal === "root" ? `arn:aws:iam::${accountId}:root` : known.principal,
      accountId,
      region,
      token: "t",
      idleTimeout: 900_000,
      expires: Date.now() + 3_600_000,
    };
    send(
      200,
      request.method === "GET"
        ? base
        : {
            ...base,
            credentials: {
              accessKeyId: key.accessKeyId,
              secretAccessKey: key.secretAccessKey,
              expires: Date.now() + 3_600_000,
            },
          },
    );
  }
  async function page(path: string, response: ServerResponse): Promise<void> {
    const file = extname(path) === "" || !path.startsWith("/assets/") ? "index.html" : path;
    const body = await readFile(join(dist, file)).catch(() => undefined);
    if (body === undefined) return void response.writeHead(404).end();
    response
      .writeHead(200, {
        "content-type": types[extname(file)] ?? "text/plain",
        "content-security-policy": CSP,
      })
      .end(body);
  }
  async function own(
    name: string,
    input: any,
    principal: string,
    response: ServerResponse,
  ): Promise<void> {
    const send = (status: number, value: unknown) =>
      response.writeHead(status, { "content-type": "application/x-amz-json-1.1" }).end(
        JSON.stringify(value, function (this: any, key, v) {
          return this[key] instanceof Date ? this[key].getTime() / 1000 : v;
        }),
      );
    current = principal === "root" ? `arn:aws:iam::${keystore.facts.accountId}:root` : principal;
    try {
      send(200, await calls[name]!(input));
    } catch (error) {
      if (isKmsError(error)) send(400, { __type: error.name, message: error.message });
      else send(500, { __type: "KMSInternalException", message: String(error) });
    }
  }
  const filterOf = (input: any) => ({
    ...(input.From === undefined ? {} : { from: new Date(input.From * 1000) }),
    ...(input.To === undefined ? {} : { to: new Date(input.To * 1000) }),
    ...(input.Operations === undefined ? {} : { operations: input.Operations }),
    ...(input.Principal === undefined ? {} : { principal: input.Principal }),
    ...(input.Resource === undefined ? {} : { resource: input.Resource }),
    ...(input.Outcome === undefined ? {} : { outcome: input.Outcome }),
    ...(input.ErrorCode === undefined ? {} : { errorCode: input.ErrorCode }),
  });
  let current = "";
  const calls: Record<string, (input: any) => Promise<unknown>> = {
    Explain: async ({ Requests }) => ({
      Answers: await Promise.all(
        (Requests as ExplainRequest[]).map(async (one) => {
          try {
            const Explanation = await keystore.explain({ principal: current, ...one });
            return { Decision: Explanation.decision, Explanation };
          } catch (error) {
            return { Error: { Code: (error as Error).name, Message: (error as Error).message } };
          }
        }),
      ),
    }),
    EffectiveAccess: async ({ KeyId }) => {
      const { Principals } = await keystore.iam.list();
      const actions = [
        "kms:Decrypt",
        "kms:Encrypt",
        "kms:GenerateDataKey",
        "kms:Sign",
        "kms:DescribeKey",
        "kms:PutKeyPolicy",
        "kms:ScheduleKeyDeletion",
        "kms:CreateGrant",
      ];
      const found = [];
      for (const arn of [
        `arn:aws:iam::${keystore.facts.accountId}:root`,
        ...Principals.filter(({ type }) => type !== "group").map(({ arn: each }) => each),
      ]) {
        const Allowed = [];
        for (const Action of actions) {
          const { decision } = await keystore.explain({
            principal: arn,
            action: Action,
            key: KeyId,
          });
          if (decision.allowed)
            Allowed.push({ Action, Through: decision.deciding ?? decision.because });
        }
        found.push({ Principal: arn, Allowed });
      }
      return { Principals: found.filter(({ Allowed }) => Allowed.length > 0), Truncated: false };
    },
    QueryAudit: async (input) => {
      const { entries, next } = await keystore.audit.page({
        ...filterOf(input),
        first: input.First ?? "newest",
        limit: input.Limit ?? 100,
        ...(input.Marker === undefined ? {} : { marker: input.Marker }),
      });
      return {
        Entries: entries,
        Truncated: next !== undefined,
        ...(next === undefined ? {} : { NextMarker: next }),
      };
    },
    CountAudit: async (input) => {
      const counts = new Map<string, number>();
      const member: Record<string, (entry: AuditEntry) => string> = {
        day: ({ record }) => record.eventTime.slice(0, 10),
        operation: ({ record }) => record.eventName,
        principal: ({ record }) => record.userIdentity.arn ?? record.userIdentity.invokedBy ?? "",
        resource: ({ record }) =>
          record.resources.find(({ type }) => type === "AWS::KMS::Key")?.ARN ?? "",
        outcome: ({ record }) => (record.errorCode === undefined ? "succeeded" : "refused"),
      };
      for await (const entry of keystore.audit.query(filterOf(input))) {
        const key = JSON.stringify(input.GroupBy.map((name: string) => member[name]!(entry)));
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
      return {
        Groups: [...counts].map(([key, Count]) => ({ Values: JSON.parse(key), Count })),
        Truncated: false,
      };
    },
    VerifyAudit: async () => ({ Report: await keystore.audit.verify() }),
    LintKeyPolicy: async ({ Policy, Kind = "key" }) => ({ Findings: lintPolicy(Policy, Kind) }),
    KeySummaries: async ({ Limit, Marker }) => {
      const kms = keystore.as();
      const page = await kms.listKeys({ Limit, Marker });
      const Keys = await Promise.all(
        page.Keys.map(async ({ KeyId, KeyArn }) => {
          const [{ KeyMetadata: Metadata }, { Aliases }] = await Promise.all([
            kms.describeKey({ KeyId }),
            kms.listAliases({ KeyId }),
          ]);
          const rotation = await kms.getKeyRotationStatus({ KeyId }).catch(() => undefined);
          const { Tags } = await kms.listResourceTags({ KeyId }).catch(() => ({ Tags: [] }));
          const { KeyLastUsage: use } = await kms.getKeyLastUsage({ KeyId });
          return {
            KeyId,
            KeyArn,
            Metadata,
            Tags,
            Aliases: Aliases.map(({ AliasName }) => AliasName),
            ...(rotation && {
              Rotation: {
                Enabled: rotation.KeyRotationEnabled,
                PeriodInDays: rotation.RotationPeriodInDays,
                NextDate: rotation.NextRotationDate,
              },
            }),
            LastUse:
              use.Operation === undefined
                ? null
                : {
                    Operation: use.Operation,
                    Time: use.Timestamp,
                    Principal: "arn:aws:iam::111122223333:role/orders-service",
                  },
          };
        }),
      );
      return { Keys, Truncated: page.Truncated, NextMarker: page.NextMarker };
    },
  };
  await new Promise<void>((resolve) => front.listen(port, "127.0.0.1", resolve));
  const address = front.address();
  return {
    url: `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : port}`,
    close: async () => {
      front.closeAllConnections();
      front.close();
      await server.close();
    },
  };
}

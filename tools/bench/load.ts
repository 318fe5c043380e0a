/**
 * The process that asks a server for data keys: one request at a time on each of its connections, which stay open.
 *
 *     node tools/bench/load.ts, with an IPC channel that takes a Load and gives a LoadFacts
 *
 * The mistake it avoids: measuring the client. It shares the machine with the server, so it writes requests and finds the
 * end of answers by itself. Each request is signed on its own, with a context of its own, as clients of AWS sign.
 *
 * @module
 */
import { createHmac, hash } from "node:crypto";
import { connect, type Socket } from "node:net";
import { command } from "../command.ts";

/** Who asks which server for data keys of which key. */
export interface Target {
  readonly url: string;
  readonly keyId: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface Load extends Target {
  /** 0: one call on each connection. */
  readonly seconds: number;
  readonly connections: number;
}

export interface LoadFacts {
  /** Answers per second. */
  readonly rate: number;
  /** Milliseconds from a request to the end of its answer. */
  readonly p50: number;
  readonly p99: number;
}

const SIGNED = "content-type;host;x-amz-date;x-amz-target";
const TYPE = "application/x-amz-json-1.1";
const TARGET = "TrentService.GenerateDataKey";

/** What a request consists of. */
export interface SignedRequest {
  /** Names and values in turn. */
  readonly headers: readonly string[];
  readonly body: string;
}

/** Makes requests with a signature, each for another context. */
export function signer({
  url,
  keyId,
  region,
  accessKeyId,
  secretAccessKey,
}: Target): (number: number) => SignedRequest {
  const { host } = new URL(url);
  let day = "";
  let key: Buffer = Buffer.alloc(0);
  return (number) => {
    const EncryptionContext = { tenant: `tenant-${number % 1000}` };
    const body = JSON.stringify({ KeyId: keyId, KeySpec: "AES_256", EncryptionContext });
    const date = new Date().toISOString().replaceAll(/[-:]|\.\d{3}/g, "");
    if (!date.startsWith(`${day}T`)) {
      day = date.slice(0, 8);
      key = Buffer.from(`AWS4${secretAccessKey}`);
      for (const part of [day, region, "kms", "aws4_request"]) key = hmac(key, part);
    }
    const scope = `${day}/${region}/kms/aws4_request`;
    const canonical = `POST\n/\n\ncontent-type:${TYPE}\nhost:${host}\nx-amz-date:${date}\nx-amz-target:${TARGET}\n\n${SIGNED}\n${hash("sha256", body)}`;
    const text = `AWS4-HMAC-SHA256\n${date}\n${scope}\n${hash("sha256", canonical)}`;
    const signature = hmac(key, text).toString("hex");
    return {
      headers: [
        "Host",
        host,
        "Content-Type",
        TYPE,
        "X-Amz-Target",
        TARGET,
        "X-Amz-Date",
        date,
        "Content-Length",
        String(Buffer.byteLength(body)),
        "Authorization",
        `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${SIGNED}, Signature=${signature}`,
      ],
      body,
    };
  };
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

/** The request as it is sent. */
function bytesOf({ headers, body }: SignedRequest): string {
  let text = "POST / HTTP/1.1\r\n";
  for (let i = 0; i < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`;
  return `${text}\r\n${body}`;
}

/** Asks for a time; at least once on each connection. */
async function measureLoad(load: Load): Promise<LoadFacts> {
  const request = signer(load);
  const end = performance.now() + load.seconds * 1000;
  const times: number[] = [];
  let count = 0;
  const next = (): string => bytesOf(request(count++));
  await Promise.all(
    Array.from({ length: load.connections }, () =>
      useConnection(new URL(load.url), next, end, times),
    ),
  );
  const sorted = times.toSorted((a, b) => a - b);
  const at = (part: number): number => sorted[Math.floor(sorted.length * part)] ?? NaN;
  return { rate: times.length / load.seconds, p50: at(0.5), p99: at(0.99) };
}

/** Adds the milliseconds of each answer to `times`. Where the server closes a connection, the next one is part of the time. */
async function useConnection(
  { hostname, port }: URL,
  next: () => string,
  end: number,
  times: number[],
): Promise<void> {
  let socket: Socket | undefined;
  do {
    const request = next();
    const started = performance.now();
    socket ??= connect({ port: Number(port), host: hostname, noDelay: true }).setEncoding("latin1");
    const stays = await ask(socket, request);
    times.push(performance.now() - started);
    if (!stays) {
      socket.destroy();
      socket = undefined;
    }
  } while (performance.now() < end);
  socket?.destroy();
}

/** Whether the connection stays open after the answer. */
function ask(socket: Socket, request: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    let received = "";
    const take = (text: string): void => {
      received += text;
      const head = received.indexOf("\r\n\r\n");
      const length = /\r\ncontent-length: *([0-9]+)/i.exec(received)?.[1];
      if (head === -1 || received.length < head + 4 + Number(length)) return;
      if (received.startsWith("HTTP/1.1 200 ")) settle(() => resolve(!CLOSES.test(received)));
      else settle(() => reject(new Error(`the server answers ${received.slice(0, 1000)}`)));
    };
    const fail = (error: Error): void => settle(() => reject(error));
    const close = (): void => fail(new Error("a connection has ended early"));
    const settle = (then: () => void): void => {
      socket.off("data", take).off("error", fail).off("close", close);
      then();
    };
    socket.on("data", take).on("error", fail).on("close", close);
    socket.write(request);
  });
}

const CLOSES = /\r\nconnection: *close\r\n/i;

/** What the process answers. */
export type LoadAnswer = LoadFacts | { readonly error: string };

await command(import.meta, () => {
  if (process.send === undefined) {
    console.error("load: a process of bench, not to be started by hand");
    return 2;
  }
  const answer = (message: LoadAnswer): void => void process.send?.(message);
  process.on("message", (load: Load) => {
    measureLoad(load).then(answer, (error: unknown) => answer({ error: String(error) }));
  });
  return 0;
});

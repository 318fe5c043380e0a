/**
 * `envelope serve`: a keystore as a server that speaks AWS KMS's protocol, until it is interrupted.
 *
 * @module
 */
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { isPostgresUrl, type Keystore } from "@env/kms";
import type { KmsServerOptions, LogEntry, TlsFiles } from "@env/kms-server";
import { Option } from "@commander-js/extra-typings";
import { collectPair, type Pairs } from "../context.ts";
import { CommandError, usageError } from "../errors.ts";
import { collect, examples, type Program } from "../program.ts";
import { withKeystore } from "../providers.ts";
import { shellWord } from "../text.ts";
import type { Ui } from "../ui.ts";

/** Milliseconds for requests in work: less than an interrupted command has to end. */
const CLOSE_TIMEOUT = 1500;
const LOCALSTACK_PORT = 4566;

interface ServeOptions {
  readonly host: string;
  readonly port?: number | undefined;
  readonly auth?: "strict" | "lenient" | undefined;
  readonly tls?: "auto" | undefined;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  readonly tlsName?: string[] | undefined;
  readonly jwks?: Pairs | undefined;
  readonly rate?: number | undefined;
  readonly localstack?: true | undefined;
  readonly console?: true | undefined;
  readonly metrics: "loopback" | "everybody";
  readonly logContexts?: true | undefined;
}

export function addServe(program: Program, ui: Ui): void {
  program
    .command("serve")
    .summary("Serve a keystore by AWS KMS's protocol.")
    .description(
      "Serve a keystore by AWS KMS's protocol, for AWS's SDKs, the aws CLI and Terraform, until it is interrupted. Each request is shown after its answer, with --json as one line of JSON; --quiet hides them. On a loopback address, callers are believed unless --auth strict is given. Another address needs TLS, and callers sign with an access key of the keystore.",
    )
    .argument("[keystore]", "the keystore (default: that of the configuration)")
    .option("--host <address>", "the address to listen on", "127.0.0.1")
    .option("--port <number>", "the port; 0 for any free one (default: 4599)", parsePort)
    .addOption(
      new Option("--auth <mode>", "whether callers have to sign").choices([
        "strict",
        "lenient",
      ] as const),
    )
    .addOption(
      new Option(
        "--tls <auto>",
        "make a local certificate authority once, beside the keystore",
      ).choices(["auto"] as const),
    )
    .option(
      "--tls-name <name>",
      "a further name or address in its certificate; repeatable",
      collect,
    )
    .option("--tls-cert <file>", "the certificate, in PEM; read anew when it changes")
    .option("--tls-key <file>", "its private key, in PEM")
    .option(
      "--jwks <issuer=file>",
      "a JSON Web Key Set with the keys of an identity provider, which are then not fetched; repeatable",
      collectPair,
    )
    .option("--rate <number>", "calls per second of one principal", parseRate)
    .addOption(
      new Option("--metrics <readers>", "who may read GET /metrics")
        .choices(["loopback", "everybody"] as const)
        .default("loopback" as const),
    )
    .option("--log-contexts", "show encryption contexts")
    .option("--console", "serve the console under /console")
    .option("--localstack", "listen on port 4566, and answer GET /_localstack/health")
    .addHelpText(
      "after",
      examples(
        "envelope init && envelope serve dev.kms",
        "envelope serve dev.kms --tls auto",
        "envelope serve dev.kms --console",
        "envelope serve prod.kms --host 0.0.0.0 --tls-cert tls.pem --tls-key tls.key --json",
      ),
    )
    .action((path, options, command) =>
      withKeystore(ui, command.optsWithGlobals(), path, (keystore) => serve(ui, keystore, options)),
    );
}

async function serve(ui: Ui, keystore: Keystore, options: ServeOptions): Promise<void> {
  // A larger young generation holds more memory, and makes no call faster: what a request leaves behind lives for a moment.
  setFlagsFromString("--semi-space-growth-factor=1");
  const { createKmsServer, localCertificate } = await import("@env/kms-server");
  const { tls, tlsName = [], host, localstack = false } = options;
  if (tls !== undefined && isPostgresUrl(keystore.path)) {
    throw usageError(
      "--tls auto needs a folder, beside a keystore file",
      "give --tls-cert and --tls-key",
    );
  }
  if (tlsName.length > 0 && tls === undefined) throw usageError("--tls-name needs --tls auto");
  const made =
    tls === undefined
      ? undefined
      : localCertificate(`${keystore.path}.tls`, [...tlsName, ...nameOf(host)]);
  const files = filesOf(options);
  if (made !== undefined && files !== undefined) {
    throw usageError("--tls auto and --tls-cert exclude each other");
  }
  const certificate =
    made === undefined ? files : { certFile: made.certFile, keyFile: made.keyFile };
  const { signal } = ui.host;
  const broken = new AbortController();
  const settings: KmsServerOptions = {
    host,
    port: options.port ?? (localstack ? LOCALSTACK_PORT : 4599),
    localstack,
    metrics: options.metrics,
    logContexts: options.logContexts ?? false,
    ...(options.jwks === undefined ? {} : { jwksFiles: Object.fromEntries(options.jwks) }),
    limits: {
      closeTimeout: CLOSE_TIMEOUT,
      ...(options.rate === undefined ? {} : { callsPerSecond: options.rate }),
    },
    ...(options.auth === undefined ? {} : { auth: options.auth }),
    ...(options.console === undefined ? {} : { console: { folder: consoleFolder() } }),
    ...(certificate === undefined ? {} : { tls: certificate }),
    log(entry) {
      if (!ui.quiet) ui.line(lineOf(entry), entry).catch((error: unknown) => broken.abort(error));
    },
  };
  await using server = asUsage(() => createKmsServer(keystore, settings));
  const url = await listening(() => server.listen());
  const { accountId, region } = keystore.facts;
  const data = {
    url,
    keystore: keystore.path,
    accountId,
    region,
    auth: server.auth,
    ...(options.console === undefined ? {} : { console: `${url}/console/` }),
    ...(made && { caFile: made.caFile }),
  };
  await ui.line(greeting(data), data);
  await untilAborted(AbortSignal.any([signal, broken.signal]));
  broken.signal.throwIfAborted();
}

/** Where the built pages are. */
function consoleFolder(): string {
  return fileURLToPath(new URL(".", import.meta.resolve("@env/console/index.html")));
}

/** Settles when somebody wants the command to end, which therefore is not an error. */
function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((settle) => {
    if (signal.aborted) settle();
    signal.addEventListener("abort", () => settle(), { once: true });
  });
}

/** What the server refuses of the options is a mistake in the command line. */
function asUsage<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) throw usageError(error.message);
    throw fileProblem(error);
  }
}

async function listening(listen: () => Promise<string>): Promise<string> {
  try {
    return await listen();
  } catch (error) {
    throw fileProblem(error);
  }
}

/** A port that is taken, or a certificate that cannot be read. */
function fileProblem(error: unknown): unknown {
  if (!(error instanceof Error && "code" in error)) return error;
  const hint = error.code === "EADDRINUSE" ? "choose another port with --port" : undefined;
  return new CommandError("ERR_CLI_FILE", `cannot serve: ${error.message}`, hint, error);
}

function filesOf({ tlsCert, tlsKey }: ServeOptions): TlsFiles | undefined {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) {
    throw usageError("--tls-cert and --tls-key go together");
  }
  return { certFile: resolve(tlsCert), keyFile: resolve(tlsKey) };
}

/** The host where it is a name or an address that clients may use, and not one that means all of them. */
function nameOf(host: string): string[] {
  return host === "0.0.0.0" || host === "::" ? [] : [host];
}

function greeting(facts: {
  readonly url: string;
  readonly keystore: string;
  readonly accountId: string;
  readonly region: string;
  readonly auth: "strict" | "lenient";
  readonly console?: string;
  readonly caFile?: string;
}): string {
  const { url, keystore, accountId, region, auth, caFile, console: pages } = facts;
  const believed = auth === "lenient" ? " (callers are believed: for tests)" : "";
  const ca = caFile && shellWord(caFile);
  const accessKey =
    auth === "lenient"
      ? "export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test"
      : `eval "$(envelope access-keys create --quiet --keystore ${shellWord(keystore)})"  # or export one you have`;
  return [
    `keystore   ${keystore}`,
    `account    ${accountId}, region ${region}`,
    `listening  ${url}${believed}`,
    ...(pages === undefined
      ? []
      : [`console    ${pages}  (sign in with an access key: envelope access-keys create)`]),
    "",
    "Point a client at it:",
    `  export AWS_ENDPOINT_URL_KMS=${url} AWS_REGION=${region} AWS_DEFAULT_REGION=${region}`,
    `  ${accessKey}`,
    ...(ca === undefined ? [] : [`  export AWS_CA_BUNDLE=${ca} NODE_EXTRA_CA_CERTS=${ca}`]),
    "  aws kms list-aliases",
    "",
  ].join("\n");
}

function lineOf({
  time,
  operation = "-",
  principal = "-",
  error = "ok",
  milliseconds,
}: LogEntry): string {
  return `${time.toISOString()}  ${operation}  ${principal}  ${error}  ${milliseconds.toFixed(1)} ms`;
}

function parsePort(text: string): number {
  if (/^[0-9]{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw usageError("--port must be a number from 0 to 65535");
}

function parseRate(text: string): number {
  if (/^[0-9]{1,7}(?:\.[0-9]{1,3})?$/.test(text) && Number(text) > 0) return Number(text);
  throw usageError("--rate must be a number of calls above 0");
}

/** An OpenID Connect issuer on this machine, as GitHub Actions and Kubernetes have one. */
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, SignJWT, type JWK, type JWTPayload } from "jose";
import { onTestFinished } from "vitest";

export interface Issuer {
  /** The `iss` of its tokens. */
  readonly url: string;
  /** Its key set, whose members a test may change. */
  readonly keys: JWK[];
  /** Paths that were asked for. */
  readonly asked: string[];
  /** Answers instead of the issuer, where it is set. */
  answer: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
  /** A token that is valid for ten minutes, unless the claims say otherwise. */
  token(claims?: JWTPayload, header?: { readonly kid?: string }): Promise<string>;
}

/** @param path - What follows the host in the issuer's URL. */
export async function startedIssuer(path = ""): Promise<Issuer> {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const keys = [{ ...(await exportJWK(publicKey)), kid: "1", alg: "RS256", use: "sig" }];
  const server = createServer((request, response) => {
    issuer.asked.push(request.url ?? "");
    if (issuer.answer !== undefined) {
      issuer.answer(request, response);
      return;
    }
    const document = { issuer: issuer.url, jwks_uri: `${issuer.url}/keys` };
    const isKeys = request.url === `${path}/keys`;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(isKeys ? { keys: issuer.keys } : document));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  // A TCP server has an address with a port.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const { port } = server.address() as AddressInfo;
  const issuer: Issuer = {
    url: `http://127.0.0.1:${port}${path}`,
    keys,
    asked: [],
    answer: undefined,
    publicKey,
    privateKey,
    token: (claims = {}, { kid = "1" } = {}) =>
      new SignJWT({ aud: "sts.amazonaws.com", sub: "repo:acme/app", ...claims })
        .setProtectedHeader({ alg: "RS256", kid })
        .setIssuer(claims.iss ?? issuer.url)
        .setIssuedAt(claims.iat)
        .setExpirationTime(claims.exp ?? "10 minutes")
        .sign(privateKey),
  };
  return issuer;
}

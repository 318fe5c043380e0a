/**
 * A port of 127.0.0.1 whose connections can be counted and cut.
 *
 * @module
 */
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";

export class Listener {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #gone = new Set<() => void>();

  /** @param accept - Gets every connection. */
  constructor(accept: (socket: Socket) => void) {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => undefined); // Of clients that leave.
      socket.once("close", () => {
        this.#sockets.delete(socket);
        if (this.#sockets.size > 0) return;
        for (const gone of this.#gone) gone();
        this.#gone.clear();
      });
      accept(socket);
    });
  }

  async open(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** Resolves when no connection is open. */
  disconnected(): Promise<void> {
    if (this.#sockets.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#gone.add(resolve);
    });
  }

  /** The connection from this port of the client. */
  from(remotePort: number): Socket | undefined {
    return [...this.#sockets].find((socket) => socket.remotePort === remotePort);
  }

  /** Ends all connections and accepts no others. */
  async close(): Promise<void> {
    const closed = this.#server.listening ? once(this.#server, "close") : undefined;
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    await this.disconnected();
  }
}

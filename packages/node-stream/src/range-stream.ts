/**
 * A range of plaintext as a Node stream. It holds at most two pieces: one for the consumer, and one that is
 * being read.
 *
 * @module
 */
import { Readable } from "node:stream";
import { CHUNK_BYTES, type Watch } from "@env/core/message";
import { asError } from "./as-error.ts";

export interface RangeStreamSettings {
  readonly start: number;
  /** The byte behind the last one; Infinity means the end of the plaintext. */
  readonly end: number;
  readonly highWaterMark: number;
  readonly signal: AbortSignal | undefined;
  /** Called once, when the stream ends or is destroyed. */
  readonly watch: Watch;
}

/** Reads from `start` up to but excluding `end`; fewer bytes only if the plaintext is known to end there. */
export type ReadRange = (start: number, end: number, signal: AbortSignal) => Promise<Uint8Array>;

interface Piece {
  readonly from: number;
  readonly to: number;
  readonly bytes: Promise<Uint8Array>;
}

export class RangeStream extends Readable {
  readonly #readRange: ReadRange;
  readonly #end: number;
  readonly #pieceBytes: number;
  readonly #abort = new AbortController();
  readonly #unlisten: () => void;
  readonly #watch: Watch;
  #bytes = 0;
  #ended = false;
  /** Where the next piece starts. */
  #position: number;
  #ahead: Piece | undefined;

  constructor(
    readRange: ReadRange,
    { start, end, highWaterMark, signal, watch }: RangeStreamSettings,
  ) {
    super({ highWaterMark });
    this.#readRange = readRange;
    this.#watch = watch;
    this.#position = start;
    this.#end = end;
    this.#pieceBytes = Math.max(1, Math.floor(highWaterMark / CHUNK_BYTES)) * CHUNK_BYTES;
    const stop = (): void => void this.destroy(asError(signal?.reason));
    this.#unlisten = () => signal?.removeEventListener("abort", stop);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  }

  override _read(): void {
    this.#give().catch((error: unknown) => this.destroy(asError(error)));
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#unlisten();
    this.#abort.abort(error ?? new DOMException("the stream was destroyed", "AbortError"));
    this.#ahead = undefined;
    if (this.#ended) this.#watch.done(this.#bytes);
    else this.#watch.failed(this.#bytes, error, this.#abort.signal);
    callback(error);
  }

  async #give(): Promise<void> {
    const piece = this.#ahead ?? this.#fetch(this.#position);
    const bytes = await piece.bytes;
    if (this.destroyed) return;
    const ended = bytes.length < piece.to - piece.from || piece.to === this.#end;
    this.#position = piece.to;
    this.#ahead = ended ? undefined : this.#fetch(piece.to);
    this.#bytes += bytes.length;
    this.#ended = ended;
    if (bytes.length > 0) this.push(bytes);
    if (ended) this.push(null);
  }

  /** Starts to read the piece at `from`. It ends at a chunk's boundary, so that no chunk is split between two pieces. */
  #fetch(from: number): Piece {
    const boundary = Math.floor(from / CHUNK_BYTES) * CHUNK_BYTES + this.#pieceBytes;
    const to = Math.min(this.#end, boundary);
    const bytes = this.#readRange(from, to, this.#abort.signal);
    bytes.catch(() => undefined); // A failure of the piece ahead is reported when that piece is due.
    return { from, to, bytes };
  }
}

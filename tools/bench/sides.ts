/**
 * The sides of a comparison, each in a process of its own, as its users run it.
 *
 * The mistake it avoids: sides that share a heap and compiled code. Functions that both call, streams
 * above all, get slower for each other's objects, and a heap grows to what its greediest user needs.
 *
 * @module
 */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { isEnvelopeError } from "@env/core";
import { useCryptoBackend } from "@env/core/crypto";
import type { Bench } from "./bench.ts";
import type { Contender } from "./measure.ts";
import { missing } from "./peers.ts";
import type { Row, Unit } from "./row.ts";

/** What a side measures, by name. Gives rates or durations. */
export type Measures = Readonly<Record<string, () => number | Promise<number>>>;

/** How the sides of a figure are made, in their processes. `undefined`: the peer is not installed. */
export type Sides = Readonly<
  Record<string, (quick: boolean) => Measures | undefined | Promise<Measures | undefined>>
>;

/** The name of our side on the native backend, beside that on the portable one. */
export const NATIVE = "env, native";

/** Chooses the native backend for this process. `false`: its addon is not built. */
export async function useNative(): Promise<boolean> {
  try {
    const { default: backend } = await import("@env/native");
    useCryptoBackend(backend);
    return true;
  } catch (error) {
    if (isEnvelopeError(error, "ERR_ENVELOPE_UNSUPPORTED")) return false;
    throw error;
  }
}

/** What the process says: first whether the side is there, then an answer for each name it is sent. */
export type Answer =
  | { readonly ready: boolean }
  | { readonly value: number }
  | { readonly error: string };

/** Sides of `figure` that are there, by name. Call `end` in the end. */
export class SideProcesses {
  readonly #processes = new Map<string, ChildProcess>();

  static async start(
    bench: Bench,
    figure: string,
    names: readonly string[],
  ): Promise<SideProcesses> {
    const sides = new SideProcesses();
    try {
      for (const name of names) {
        bench.show(`${name}, starting`);
        await sides.#add(figure, name, bench.quick);
      }
      return sides;
    } catch (error) {
      sides.end();
      throw error;
    }
  }

  /**
   * Lets them take turns, among each other and with `others`. Gives their values by name, one per round.
   *
   * @param names - The sides that have this measure. Default: all.
   */
  takeTurns(
    bench: Bench,
    measure: string,
    others: readonly Contender[] = [],
    names: readonly string[] = [...this.#processes.keys()],
  ): Promise<ReadonlyMap<string, readonly number[]>> {
    const ours = [...this.#processes]
      .filter(([name]) => names.includes(name))
      .map(([name, child]) => ({ name, measure: () => ask(name, child, measure) }));
    return bench.takeTurns([...ours, ...others]);
  }

  end(): void {
    for (const child of this.#processes.values()) child.kill();
  }

  async #add(figure: string, name: string, quick: boolean): Promise<void> {
    const execArgv = ["--expose-gc"];
    const args = [figure, name, ...(quick ? ["--quick"] : [])];
    const child = fork(join(import.meta.dirname, "side.ts"), args, { execArgv });
    this.#processes.set(name, child);
    const answer = await answerOf(name, child);
    if ("ready" in answer && answer.ready) return;
    child.kill();
    this.#processes.delete(name);
  }
}

/**
 * Compares each of our sides with the peers that it is measured against.
 *
 * @param atLeast - What the ratio has to reach, by our side and peer.
 * @param install - The command that installs a missing peer. Default: that for packages.
 */
export function rowsOf(
  figure: string,
  unit: Unit,
  atLeast: Readonly<Record<string, Readonly<Record<string, number | undefined>>>>,
  values: ReadonlyMap<string, readonly number[]>,
  install?: string,
): Row[] {
  const rows: Row[] = [];
  for (const [side, bounds] of Object.entries(atLeast)) {
    const ours = values.get(side);
    if (ours === undefined) continue;
    for (const [peer, bound] of Object.entries(bounds)) {
      const theirs = values.get(peer);
      rows.push({
        kind: "comparison",
        figure: side === NATIVE ? `${figure}, native` : figure,
        unit,
        ours,
        peer,
        theirs,
        ...(bound !== undefined && { atLeast: bound }),
        ...(theirs === undefined && missing(install)),
      });
    }
  }
  return rows;
}

async function ask(name: string, child: ChildProcess, measure: string): Promise<number> {
  child.send(measure);
  const answer = await answerOf(name, child);
  if (!("value" in answer)) throw new Error(`${name} did not measure ${measure}`);
  return answer.value;
}

async function answerOf(name: string, child: ChildProcess): Promise<Answer> {
  const settled = new AbortController();
  const { signal } = settled;
  const ended = once(child, "exit", { signal }).then((): never => {
    throw new Error(`the process of ${name} ended early`);
  });
  try {
    const [answer] = (await Promise.race([once(child, "message", { signal }), ended])) as [Answer];
    if ("error" in answer) throw new Error(`${name}: ${answer.error}`);
    return answer;
  } finally {
    settled.abort();
  }
}

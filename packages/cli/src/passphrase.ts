/**
 * The passphrase of a keystore: from the environment, or asked for on the terminal without echo.
 *
 * @module
 */
import { EnvelopeError } from "@env/core";
import { interrupted, usageError } from "./errors.ts";
import { printableLine } from "./text.ts";
import type { Ui } from "./ui.ts";

export const passphraseVariable = "ENVELOPE_PASSPHRASE";

/** A warning and not a bound: a keystore for tests may have any. Source: NIST SP 800-63B-4, 3.1.1.2 has 15. */
const MIN_CHARACTERS = 15;

const ENTER = /[\r\n]/;
const CTRL_C = "\u0003";
const CTRL_D = "\u0004";
const BACKSPACE: ReadonlySet<string> = new Set(["\b", "\u007F"]);

/**
 * @param purpose - `create` asks twice.
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_KEYSTORE_ROOT_KEY` where there is none and nobody to ask.
 */
export async function readPassphrase(
  ui: Ui,
  keystore: string,
  purpose: "open" | "create",
): Promise<string> {
  const given = process.env[passphraseVariable];
  if (given !== undefined && given !== "") {
    if (purpose === "create") warnIfShort(ui, given);
    return given;
  }
  const { stdin, stderr } = ui.host;
  if (stdin.isTTY !== true || stderr.isTTY !== true) {
    throw noPassphrase(
      `keystore ${keystore} needs a passphrase, and there is no terminal to ask on; set ${passphraseVariable}`,
    );
  }
  // Two CMKs of one keystore open it twice, and the question is asked once.
  const known = ui.passphrases.get(keystore);
  const passphrase = known ?? (await ask(ui, `passphrase of ${keystore}: `));
  if (purpose === "create") {
    if (passphrase === "") throw usageError("the passphrase is empty; nothing was created");
    warnIfShort(ui, passphrase);
    if ((await ask(ui, "repeat the passphrase: ")) !== passphrase) {
      throw usageError("the two passphrases differ; nothing was created");
    }
  }
  ui.passphrases.set(keystore, passphrase);
  return passphrase;
}

function warnIfShort(ui: Ui, passphrase: string): void {
  if (Array.from(passphrase).length >= MIN_CHARACTERS) return;
  ui.warn(
    `this passphrase has fewer than ${MIN_CHARACTERS} characters; whoever gets the keystore file can guess it offline`,
  );
}

async function ask(ui: Ui, question: string): Promise<string> {
  const { stdin, stderr, signal } = ui.host;
  signal.throwIfAborted();
  stderr.write(printableLine(question));
  stdin.setRawMode?.(true);
  stdin.resume();
  const characters: string[] = [];
  try {
    return await new Promise<string>((resolve, reject) => {
      const stop = (): void => reject(interrupted());
      const end = (): void => reject(noPassphrase("the terminal was closed"));
      const onData = (data: Buffer): void => {
        for (const character of data.toString("utf8")) {
          if (character === CTRL_C) return finish(stop);
          if (ENTER.test(character) || character === CTRL_D) {
            return finish(() => resolve(characters.join("")));
          }
          if (BACKSPACE.has(character)) characters.pop();
          else characters.push(character);
        }
      };
      const finish = (settle: () => void): void => {
        stdin.off("data", onData).off("end", end);
        signal.removeEventListener("abort", stop);
        settle();
      };
      stdin.on("data", onData).once("end", end);
      signal.addEventListener("abort", stop, { once: true });
    });
  } finally {
    stdin.setRawMode?.(false);
    stdin.pause();
    stderr.write("\n");
  }
}

function noPassphrase(problem: string): EnvelopeError {
  return new EnvelopeError("ERR_ENVELOPE_KEYSTORE_ROOT_KEY", problem);
}

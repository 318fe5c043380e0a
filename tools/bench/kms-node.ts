/**
 * A node of a keystore: data keys for callers at the same time, for as many seconds as each message says. Answers with its calls
 * and the milliseconds that each took.
 *
 *     node tools/bench/kms-node.ts <path or URL> <key file> <key id> <callers>, with an IPC channel
 *
 * @module
 */
import { once } from "node:events";
import { openKeystore } from "@env/kms";
import { command } from "../command.ts";

await command(import.meta, async ([path = "", keyFile = "", KeyId = "", callers = "1"]) => {
  const keystore = await openKeystore(path, { root: { keyFile } });
  const client = keystore.as();
  process.on("message", (seconds: number) => {
    const end = performance.now() + seconds * 1000;
    const times: number[] = [];
    const caller = async (): Promise<void> => {
      while (performance.now() < end) {
        const begun = performance.now();
        await client.generateDataKey({ KeyId, KeySpec: "AES_256" });
        times.push(performance.now() - begun);
      }
    };
    void Promise.all(Array.from({ length: Number(callers) }, caller)).then(() =>
      process.send?.(times),
    );
  });
  process.send?.([]);
  await once(process, "disconnect");
  keystore.close();
  return 0;
});

/** Serves the keystore of its argument until it is killed. Its first line of output is the URL. */
import { openKeystore } from "@env/kms";
import { createKmsServer } from "../../src/index.ts";

const [path = ""] = process.argv.slice(2);
const keystore = await openKeystore(path, { root: { keyFile: `${path}.key` } });
console.log(await createKmsServer(keystore, { port: 0 }).listen());

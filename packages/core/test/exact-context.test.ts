import { describe, expect, it } from "vitest";
import { Cmk, isEnvelopeError } from "@env/core";
import { withExactContext, type KmsContext } from "@env/core/driver";
import { MemoryKms } from "@env/core/testing";
import { refusing } from "@env/testkit/refusal";

const refuses = refusing((error) => isEnvelopeError(error));
const context = { "aws:x-amz-cek-alg": "115", app: "reports" };

/** A CMK whose driver remembers the contexts that it was given. */
function watched(): { cmk: Cmk; contexts: KmsContext["map"][] } {
  const kms = new MemoryKms();
  const driver = kms.driver(kms.createKey());
  const contexts: KmsContext["map"][] = [];
  const cmk = new Cmk({
    ...driver,
    generate(request) {
      contexts.push(request.context.map);
      return driver.generate(request);
    },
    wrap(request) {
      contexts.push(request.context.map);
      return driver.wrap(request);
    },
    unwrap(request) {
      contexts.push(request.context.map);
      return driver.unwrap(request);
    },
  });
  return { cmk, contexts };
}

describe("withExactContext", () => {
  it("gives the KMS exactly the pairs, in every call", async () => {
    const { cmk, contexts } = watched();
    const calls = withExactContext(cmk, context);
    using made = (await calls.generateDataKey()).dataKey;
    const { entry } = await calls.wrapDataKey(made);
    using again = await calls.unwrapDataKey(entry.wrapped);
    expect(again.equals(made)).toBe(true);
    expect(contexts).toEqual([context, context, context]);
  });

  it("refuses another context, as the KMS does", async () => {
    const { cmk } = watched();
    const { entry, dataKey } = await withExactContext(cmk, context).generateDataKey();
    dataKey[Symbol.dispose]();
    await refuses("ERR_ENVELOPE_KMS_REJECTED", () =>
      withExactContext(cmk, { ...context, app: "billing" }).unwrapDataKey(entry.wrapped),
    );
  });

  it("never unwraps the data key of an envelope message", async () => {
    const { cmk } = watched();
    const { entry, dataKey } = await cmk.generateDataKey({ context: { app: "reports" } });
    dataKey[Symbol.dispose]();
    await refuses("ERR_ENVELOPE_KMS_REJECTED", () =>
      withExactContext(cmk, { app: "reports" }).unwrapDataKey(entry.wrapped),
    );
    await refuses("ERR_ENVELOPE_INVALID_CONTEXT", () =>
      withExactContext(cmk, { app: "reports", "env:format": "1" }),
    );
  });

  it("unwraps with the keys of alsoUnwrap where the CMK's own key refuses", async () => {
    const kms = new MemoryKms();
    const [former, own] = [kms.createKey(), kms.createKey()];
    const { entry, dataKey } = await withExactContext(
      new Cmk(kms.driver(former)),
      context,
    ).generateDataKey();
    using original = dataKey;
    const cmk = new Cmk(kms.driver(own), { alsoUnwrap: [kms.createKey(), former] });
    using found = await withExactContext(cmk, context).unwrapDataKey(entry.wrapped);
    expect(found.equals(original)).toBe(true);
    kms.fail(own, "ERR_ENVELOPE_KMS_ACCESS_DENIED");
    await refuses("ERR_ENVELOPE_KMS_ACCESS_DENIED", () =>
      withExactContext(cmk, context).unwrapDataKey(entry.wrapped),
    );
  });
});

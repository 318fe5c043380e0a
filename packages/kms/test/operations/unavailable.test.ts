/** Post-quantum keys on a Node.js without them. */
import { expect, it, vi } from "vitest";
import { openKeystore } from "../../src/index.ts";
import { hasAlgorithm } from "../../src/material/post-quantum.ts";
import { keyOf } from "../support/kinds.ts";
import { refusal, tempKeystore } from "../support/keystore.ts";
import { utf8 } from "../support/material.ts";
import { importInto } from "../support/wrapping.ts";

vi.mock(import("../../src/material/post-quantum.ts"), async (original) => {
  const real = await original();
  return { ...real, hasAlgorithm: vi.fn<typeof real.hasAlgorithm>(real.hasAlgorithm) };
});

const text =
  "UnsupportedOperationException: KeySpec ML_DSA_44 is not supported by this KMS: it needs Node.js 24 or later, with OpenSSL 3.5 or later";

it("makes no post-quantum key, and stores nothing", async () => {
  vi.mocked(hasAlgorithm).mockReturnValue(false);
  const { client } = await tempKeystore();
  const request = { KeySpec: "ML_DSA_44", KeyUsage: "SIGN_VERIFY" };
  expect(await refusal(client.createKey(request))).toBe(text);
  expect(await refusal(client.createKey({ ...request, Origin: "EXTERNAL" }))).toBe(text);
  expect((await client.listKeys()).Keys).toEqual([]);
  await keyOf(client, "ECC_NIST_EDWARDS25519", "SIGN_VERIFY");
});

it.skipIf(!hasAlgorithm("ml-dsa-44"))(
  "says of a key from elsewhere why it cannot be used, and keeps it",
  async () => {
    vi.mocked(hasAlgorithm).mockReturnValue(true);
    const { path, root, keystore, client } = await tempKeystore();
    const KeyId = await keyOf(client, "ML_DSA_44", "SIGN_VERIFY");
    const publicKey = await client.getPublicKey({ KeyId });
    keystore.close();
    vi.mocked(hasAlgorithm).mockReturnValue(false);
    using reopened = await openKeystore(path, { root });
    const again = reopened.as();
    const signing = { KeyId, Message: utf8("m"), SigningAlgorithm: "ML_DSA_SHAKE_256" };
    expect(await refusal(again.sign(signing))).toBe(text);
    expect(await refusal(again.getPublicKey({ KeyId }))).toBe(text);
    // It can still be looked at and changed, and is as it was elsewhere.
    expect((await again.listKeys()).Keys).toHaveLength(1);
    expect(await reopened.verify()).toEqual([]);
    await again.updateKeyDescription({ KeyId, Description: "from elsewhere" });
    reopened.close();
    vi.mocked(hasAlgorithm).mockReturnValue(true);
    using back = await openKeystore(path, { root });
    expect(await back.as().getPublicKey({ KeyId })).toEqual(publicKey);
  },
);

it.skipIf(!hasAlgorithm("ml-dsa-44"))("takes no material for such a key", async () => {
  vi.mocked(hasAlgorithm).mockReturnValue(true);
  const { client } = await tempKeystore();
  const request = { KeySpec: "ML_DSA_44", KeyUsage: "SIGN_VERIFY", Origin: "EXTERNAL" };
  const { KeyId } = (await client.createKey(request)).KeyMetadata;
  vi.mocked(hasAlgorithm).mockReturnValue(false);
  expect(await refusal(importInto(client, KeyId, new Uint8Array(54)))).toBe(text);
});

/**
 * Several nodes on one PostgreSQL: no call is answered by a state that was replaced before the call began. Every change and
 * every use is noted with its beginning and end, and the notes are judged afterwards.
 *
 * `SLOW=1` for the full size.
 */
import { setTimeout } from "node:timers/promises";
import { isKmsError, openKeystore } from "../../../src/index.ts";
import { expect, it, onTestFinished } from "vitest";
import { allow, arn, document, newKey, ROOT, tempKeystore } from "../../support/keystore.ts";

const USES = process.env["SLOW"] === undefined ? 1500 : 100_000;
const USER = "arn:aws:iam::000000000000:user/somebody";

/** A value that one node changes, and that uses on other nodes show. */
interface Register {
  readonly name: string;
  readonly change: (value: boolean) => Promise<unknown>;
  /** What a use has seen. */
  readonly use: (node: number) => Promise<boolean>;
}

interface Note {
  readonly value: boolean;
  readonly from: number;
  readonly to: number;
}

/** Uses whose value was no longer, or not yet, what the changes say. */
function wrong(changes: readonly Note[], uses: readonly Note[]): readonly Note[] {
  return uses.filter(({ value, from, to }) => {
    const latest = changes.findLastIndex((change) => change.to < from);
    const possible = changes.filter(
      (change, i) => i === latest || (i > latest && change.from < to),
    );
    return !possible.some((change) => change.value === value);
  });
}

async function noted(what: Promise<boolean>, from = performance.now()): Promise<Note> {
  const value = await what;
  return { value, from, to: performance.now() };
}

/** Whether a call was allowed by the state: anything but the expected refusal fails the test. */
async function isAllowed(call: Promise<unknown>, refusal: string): Promise<boolean> {
  try {
    await call;
    return true;
  } catch (error) {
    if (isKmsError(error) && error.name === refusal) return false;
    throw error;
  }
}

it("the judge finds uses of an older state, and accepts those that overlap a change", () => {
  const changes: Note[] = [
    { value: true, from: 0, to: 1 },
    { value: false, from: 10, to: 12 },
    { value: true, from: 20, to: 22 },
  ];
  const use = (value: boolean, from: number, to: number): Note => ({ value, from, to });
  const right = [use(true, 2, 3), use(true, 2, 11), use(false, 9, 11), use(false, 21, 23)];
  const older = [use(true, 13, 14), use(false, 2, 3), use(false, 23, 24)];
  expect(wrong(changes, [...right, ...older])).toEqual(older);
});

// Requirements: F24
it("changes of one node count at once on all others", async () => {
  const { path, root, keystore, client } = await tempKeystore();
  const others = await Promise.all([1, 2].map(() => openKeystore(path, { root })));
  onTestFinished(() => {
    for (const other of others) other.close();
  });
  const nodes = others.map((other) => ({ owner: other.as(), user: other.as(USER) }));
  const node = (i: number): (typeof nodes)[number] => {
    const found = nodes[i % nodes.length];
    if (found === undefined) throw new RangeError("there is no such node");
    return found;
  };
  await keystore.iam.put({ arn: USER });
  const key = async (): Promise<string> => newKey(client);
  const [disabled, granted, allowed, first, second] = await Promise.all([
    key(),
    key(),
    key(),
    key(),
    key(),
  ]);
  await client.createAlias({ AliasName: "alias/moving", TargetKeyId: first });
  const policyOf = (principals: readonly string[]): string =>
    JSON.stringify({
      Version: "2012-10-17",
      Statement: [
        { Effect: "Allow", Principal: { AWS: principals }, Action: "kms:*", Resource: "*" },
      ],
    });
  let grant = "";
  const use = (KeyId: string): { KeyId: string; NumberOfBytes: number } => ({
    KeyId,
    NumberOfBytes: 16,
  });

  const registers: readonly Register[] = [
    {
      name: "DisableKey",
      change: (value) =>
        value ? client.enableKey({ KeyId: disabled }) : client.disableKey({ KeyId: disabled }),
      use: (i) => isAllowed(node(i).owner.generateDataKey(use(disabled)), "DisabledException"),
    },
    {
      name: "RevokeGrant",
      change: async (value) => {
        if (!value) return client.revokeGrant({ KeyId: granted, GrantId: grant });
        const made = await client.createGrant({
          KeyId: granted,
          GranteePrincipal: USER,
          Operations: ["GenerateDataKey"],
        });
        grant = made.GrantId;
        return undefined;
      },
      use: (i) => isAllowed(node(i).user.generateDataKey(use(granted)), "AccessDeniedException"),
    },
    {
      name: "PutKeyPolicy",
      change: (value) =>
        client.putKeyPolicy({ KeyId: allowed, Policy: policyOf(value ? [ROOT, USER] : [ROOT]) }),
      use: (i) => isAllowed(node(i).user.generateDataKey(use(allowed)), "AccessDeniedException"),
    },
    {
      name: "a policy of IAM",
      change: (value) =>
        keystore.iam.put({
          arn: USER,
          policies: value ? [{ name: "p", text: document(allow("kms:ListKeys")) }] : [],
        }),
      use: (i) => isAllowed(node(i).user.listKeys({}), "AccessDeniedException"),
    },
    {
      name: "UpdateAlias",
      change: (value) =>
        client.updateAlias({ AliasName: "alias/moving", TargetKeyId: value ? first : second }),
      use: async (i) => {
        const { KeyId } = await node(i).owner.generateDataKey(use("alias/moving"));
        return KeyId === arn(first);
      },
    },
  ];

  const each = Math.ceil(USES / registers.length);
  const judged = await Promise.all(
    registers.map(async ({ name, change, use: useOnce }) => {
      const progress = { isOver: false };
      const changes: Note[] = [];
      const made = async (value: boolean): Promise<void> =>
        void changes.push(await noted(change(value).then(() => value)));
      await made(true);
      const changing = (async () => {
        for (let value = false; !progress.isOver; value = !value) {
          await made(value);
          await setTimeout(2);
        }
      })();
      const uses: Note[] = [];
      const seen = new Set<boolean>();
      const users = Array.from({ length: 4 }, async (_, i) => {
        // Until both values were seen, however slowly they change.
        while (uses.length < each || seen.size < 2) {
          const note = await noted(useOnce(i));
          uses.push(note);
          seen.add(note.value);
        }
      });
      await Promise.all(users);
      progress.isOver = true;
      await changing;
      return {
        name,
        wrong: wrong(changes, uses),
        kinds: seen.size,
      };
    }),
  );
  for (const one of judged) expect(one).toEqual({ name: one.name, wrong: [], kinds: 2 });
  expect(await keystore.audit.verify()).toMatchObject({ intact: true });
  expect(await keystore.verify()).toEqual([]);
});

import { beforeEach, describe, expect, it } from "vitest";
import { ACCOUNT, populated, type Populated } from "../support/principals.ts";

const ALICE = `arn:aws:iam::${ACCOUNT}:user/alice`;

describe("envelope access-keys", () => {
  let env: Populated;
  beforeEach(async () => {
    env = await populated();
  });

  /** What the command prints with `--json`. */
  async function json(...args: readonly string[]): Promise<unknown> {
    const { code, stdout, stderr } = await env.run(["access-keys", ...args, "--json"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return JSON.parse(stdout.toString());
  }

  it("creates one for the account's root unless a user is named, and it authenticates its owner", async () => {
    for (const [args, owner] of [
      [[], `arn:aws:iam::${ACCOUNT}:root`],
      [["user/alice"], ALICE],
    ] as const) {
      const created = (await json("create", ...args)) as Record<string, string>;
      expect(created).toMatchObject({ owner, active: true, created: expect.any(String) });
      const { accessKeyId = "", secretAccessKey } = created;
      using keystore = await env.open();
      expect(await keystore.iam.credential(accessKeyId)).toMatchObject({
        principal: owner,
        secretAccessKey,
      });
    }
  });

  it("prints two lines for a shell, and says elsewhere that the secret is shown once", async () => {
    const create = ["access-keys", "create"];
    const lines =
      /^export AWS_ACCESS_KEY_ID=AKIA[A-Z2-7]{16}\nexport AWS_SECRET_ACCESS_KEY=[A-Za-z0-9+/]{40}\n$/;
    const loud = await env.run(create);
    expect(loud.stdout.toString()).toMatch(lines);
    expect(loud.stderr).toBe("The secret cannot be shown again. Store it now.\n");
    const quiet = await env.run([...create, "--quiet"]);
    expect(quiet.stdout.toString()).toMatch(lines);
    expect(quiet.stderr).toBe("");
  });

  it("lists those of all users or of one, without secrets", async () => {
    const { secretAccessKey: _, ...ofRoot } = (await json("create", "root")) as Created;
    const { secretAccessKey: __, ...ofAlice } = (await json("create", "user/alice")) as Created;
    expect(await json("list")).toEqual([ofRoot, ofAlice]);
    expect(await json("list", ALICE)).toEqual([ofAlice]);
    expect(await json("list", "user/eve")).toEqual([]);
  });

  it("disables, enables and deletes one", async () => {
    const { accessKeyId } = (await json("create")) as Created;
    const active = async (): Promise<boolean> => {
      using keystore = await env.open();
      return (await keystore.iam.credential(accessKeyId)) !== undefined;
    };
    expect(await json("disable", accessKeyId)).toMatchObject({ accessKeyId, active: false });
    expect(await active()).toBe(false);
    expect(await json("enable", accessKeyId)).toMatchObject({ accessKeyId, active: true });
    expect(await active()).toBe(true);
    expect(await json("delete", accessKeyId)).toEqual({ accessKeyId, deleted: true });
    expect(await active()).toBe(false);
    expect(await json("list")).toEqual([]);
  });

  it.each([
    [["create", "user/nobody"], 4, "NotFoundException", "`envelope kms export-config` the users"],
    [["create", "nobody"], 4, "NotFoundException", "`envelope kms export-config` the users"],
    [["list", "user/nobody"], 4, "NotFoundException", "`envelope kms export-config` the users"],
    [["delete", "AKIA"], 4, "NotFoundException", "`envelope access-keys list`"],
    [["create", "role/app"], 2, "ValidationException", undefined],
  ])("refuses %j", async (args, exitCode, code, hint) => {
    const { stdout, stderr } = await env.run(["access-keys", ...args, "--json"]);
    expect(stdout.toString()).toBe("");
    const { error } = JSON.parse(stderr) as { error: { hint?: string } };
    expect(error).toMatchObject({ exitCode, code });
    if (hint === undefined) expect(error.hint).toBeUndefined();
    else expect(error.hint).toContain(hint);
  });

  it("refuses a third one, and says how to make room", async () => {
    await json("create");
    await json("create");
    const { code, stderr } = await env.run(["access-keys", "create"]);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr:
        "error: Cannot exceed quota for AccessKeysPerUser: 2\nhint: `envelope access-keys delete` makes room for another one\n",
    });
  });
});

interface Created {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

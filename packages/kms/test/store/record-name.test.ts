import { expect, it } from "vitest";
import { RecordName } from "../../src/store/record-name.ts";

const uuid = Buffer.from("0123456789abcdef0123456789abcdef", "hex");

it.each([
  ["key", RecordName.key("local", uuid), `k${uuid.toString("latin1")}local`],
  ["alias", RecordName.alias("local", "alias/app"), "alocal:alias/app"],
  ["principal", RecordName.iam("principal", "arn:x"), "parn:x"],
])("the name of a record of kind %s has a letter in front of its id in the file", (...given) => {
  const [kind, name, encoded] = given;
  expect([name.kind, name.encoded]).toEqual([kind, encoded]);
  expect(RecordName.decode(encoded)).toEqual(name);
});

it("gives back the bytes of a key", () => {
  expect(Buffer.compare(RecordName.key("local", uuid).uuid, uuid)).toBe(0);
});

it("is not decoded from any other text", () => {
  for (const text of ["", "x", "b17", "Key"]) {
    expect(() => RecordName.decode(text), text).toThrow(TypeError);
  }
});

it("is shown with its kind", () => {
  const names = [
    RecordName.key("local", uuid),
    RecordName.alias("local", "alias/app"),
    RecordName.iam("principal", "arn:x"),
  ];
  expect(names.map(({ title }) => title)).toEqual([
    "key 01234567-89ab-cdef-0123-456789abcdef in local",
    "alias alias/app in local",
    "principal arn:x",
  ]);
});

/**
 * The kinds of objects that go both ways, and sizes at the edges of blocks and parts.
 *
 * @module
 */

/** `V1-GCM`: the authenticated mode of the first clients, with headers of V2 and the wraps of V1. */
export type Version = "V1" | "V1-GCM" | "V2" | "V3";
export type Keyring = "kms" | "aes" | "rsa";
export type Placement = "metadata" | "instruction-file";
/** `whole`: the client divides it by itself, and gives plaintext out before all of it has verified. */
export type Upload = "put" | "parts" | "whole";

export interface ObjectKind {
  readonly key: string;
  readonly version: Version;
  readonly keyring: Keyring;
  readonly placement: Placement;
  readonly upload: Upload;
  /** Bytes of plaintext. */
  readonly size: number;
}

const MIB = 2 ** 20;
const sizes: Readonly<Record<Upload, readonly number[]>> = {
  put: [0, 1, 15, 16, 17, 100_000],
  parts: [5 * MIB, 11 * MIB + 1],
  whole: [100_000, 5 * MIB, 11 * MIB + 1],
};

/** All combinations. */
export function objects(choice: {
  readonly versions: readonly Version[];
  readonly keyrings: readonly Keyring[];
  readonly placements: readonly Placement[];
  /** Default: `put` and `parts`. */
  readonly uploads?: readonly Upload[];
}): ObjectKind[] {
  const { uploads = ["put", "parts"] } = choice;
  return choice.versions.flatMap((version) =>
    choice.keyrings.flatMap((keyring) =>
      choice.placements.flatMap((placement) =>
        uploads.flatMap((upload) =>
          sizes[upload].map((size) => ({
            key: `${version}/${keyring}/${placement}/${upload}/${size}`,
            version,
            keyring,
            placement,
            upload,
            size,
          })),
        ),
      ),
    ),
  );
}

/** The plaintext of an object. The clients compute the same. */
export function plaintextOf({ size }: ObjectKind): Uint8Array {
  return Uint8Array.from({ length: size }, (_, index) => index % 251);
}

/** The line that names an object to a client. */
export function lineOf(task: "read" | "write", kind: ObjectKind): string {
  const { key, version, keyring, placement, upload, size } = kind;
  return `${[task, key, version, keyring, placement, upload, size].join("\t")}\n`;
}

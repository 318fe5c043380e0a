/**
 * The mistake it stops: inside of a large package, a file that reaches past the room beside it, such as an operation of the
 * KMS that prepares SQL. What is behind a room's doors could then never be replaced.
 *
 * A room is a folder of `src`. It uses only rooms before it in the table, so rooms are never in a circle. Files of `src`
 * itself may use every room, through its doors.
 *
 * @module
 */
import { posix } from "node:path";

interface Room {
  /** The rooms, and the files of `src` itself, that its files may import. */
  readonly uses: readonly string[];
  /** The files that others may import. Default: all. */
  readonly doors?: {
    readonly toRooms: readonly string[];
    /** Further files, which only files of `src` itself may import. */
    readonly toTop: readonly string[];
  };
  /** A module of Node that only its files may import. */
  readonly owns?: string;
}

export const roomsOf: Readonly<Record<string, Readonly<Record<string, Room>>>> = {
  "@env/kms": {
    catalogue: { uses: [] },
    // Who decides about a call knows nothing of how keys are kept or used.
    policy: { uses: ["catalogue"] },
    material: { uses: ["arn.ts", "catalogue"] },
    store: {
      uses: ["arn.ts", "catalogue", "policy", "material"],
      doors: {
        toRooms: ["store.ts", "key-record.ts", "iam-records.ts", "partial-file.ts"],
        toTop: [
          "keystore-file.ts",
          "keystore-uri.ts",
          "open-keystore.ts",
          "keystore-database.ts",
          "move.ts",
          "descriptor.ts",
          "root-key.ts",
          "sqlite-version.ts",
          "verify.ts",
        ],
      },
      owns: "node:sqlite",
    },
    keys: { uses: ["arn.ts", "catalogue", "policy", "material", "store"] },
    requests: { uses: ["arn.ts", "catalogue", "keys"] },
    audit: { uses: ["arn.ts", "catalogue", "material", "store"] },
    access: {
      uses: ["arn.ts", "catalogue", "policy", "store", "keys", "requests", "audit"],
    },
    operations: {
      uses: [
        "arn.ts",
        "catalogue",
        "policy",
        "material",
        "store",
        "keys",
        "requests",
        "audit",
        "access",
      ],
    },
    seed: {
      uses: [
        "arn.ts",
        "catalogue",
        "policy",
        "material",
        "store",
        "keys",
        "requests",
        "audit",
        "access",
        "operations",
      ],
    },
  },
};

/**
 * What is wrong with the imports of a file, one half sentence each. Packages that are not in the table have no rooms.
 *
 * @param file - Relative to the package, `src/…`.
 */
export function trespasses(name: string, file: string, specifiers: readonly string[]): string[] {
  const rooms = Object.hasOwn(roomsOf, name) ? roomsOf[name] : undefined;
  if (rooms === undefined || !file.startsWith("src/")) return [];
  const own = placeOf(file);
  if (own.isRoom && !Object.hasOwn(rooms, own.name)) {
    return [`is in ${own.name}/, which is not a room of tools/rooms.ts`];
  }
  return specifiers.flatMap((specifier) => {
    const owner = Object.keys(rooms).find((room) => rooms[room]?.owns === specifier);
    if (owner !== undefined && owner !== own.name)
      return `imports ${specifier}; only ${owner}/ may`;
    if (!specifier.startsWith(".")) return [];
    const target = posix.join(posix.dirname(file), specifier);
    const { name: used, isRoom } = placeOf(target);
    if (used === own.name || (!own.isRoom && !isRoom)) return [];
    const { uses } = (own.isRoom ? rooms[own.name] : undefined) ?? {};
    if (uses !== undefined && !uses.includes(used)) {
      const allowed = uses.length === 0 ? "nothing else" : `only ${uses.join(", ")}`;
      return `imports ${specifier}; ${own.name}/ may use ${allowed}`;
    }
    const doors = rooms[used]?.doors;
    const open = doors && [...doors.toRooms, ...(own.isRoom ? [] : doors.toTop)];
    if (open?.includes(posix.basename(target)) !== false) return [];
    return `imports ${specifier}; it is not a door of ${used}/`;
  });
}

/** The room of a file, or the file itself if it is in none. */
function placeOf(file: string): { readonly name: string; readonly isRoom: boolean } {
  const [, name = "", rest] = file.split("/");
  return { name, isRoom: rest !== undefined };
}

/**
 * An extension of Prisma Client: what it writes is sealed, what it reads is opened, and equality in `where` becomes a
 * search of a blind index. Nested writes, included relations and filters of relations are covered, by the relations
 * that the client itself knows.
 *
 * Source: https://www.prisma.io/docs/orm/prisma-client/client-extensions/query
 *
 * @module
 */
import type { AnyColumns } from "./columns.ts";
import { boundText, type Row } from "./place.ts";
import type { TableColumns } from "./table-columns.ts";
import { indexesOf, type TableDefinition } from "./tables.ts";

/** What `$extends` of a Prisma Client takes. */
export interface PrismaExtension {
  readonly name: string;
  readonly query: {
    readonly $allModels: { $allOperations(call: PrismaCall): Promise<unknown> };
  };
}

/** A call of a model's operation, as Prisma hands it to an extension. */
export interface PrismaCall {
  readonly model: string;
  readonly operation: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- Prisma's own types depend on the operation
  readonly args: any;
  // oxlint-disable-next-line typescript/no-explicit-any -- see above
  readonly query: (args: any) => Promise<unknown>;
}

/** A model of the client's schema. */
interface Model {
  readonly name: string;
  /** `undefined` where nothing of it is encrypted. */
  readonly table: TableColumns<TableDefinition> | undefined;
  /** Names of models by the fields that relate to them. */
  readonly relations: ReadonlyMap<string, string>;
}

type Models = ReadonlyMap<string, Model>;
type Args = Readonly<Record<string, unknown>>;

/** Fewer bits find other rows as well, which nobody would remove before they are returned, changed or deleted. */
const BITS_IN_WHERE = 64;

/**
 * Creates the extension: `client.$extends(prismaExtension(columns, client))`. In the schema, a column of the form `text`
 * is a `String`, and one of the form `bytes` and its indexes are `Bytes?`.
 *
 * Calls throw TypeError for rows without what their values are bound to, and for a filter other than equality; and
 * what {@link TableColumns.seal} and {@link TableColumns.openAll} throw.
 *
 * @param client - The client before the extension, of which only its description of models is read.
 * @throws TypeError for a client whose models do not have what `columns` defines.
 */
export function prismaExtension(columns: AnyColumns, client: object): PrismaExtension {
  const models = readModels(columns, client);
  return {
    name: "@env/columns",
    query: {
      $allModels: {
        async $allOperations({ model: name, operation, args, query }) {
          const model = modelOf(models, name);
          const result = await query(await sealArgs(models, model, isArgs(args) ? args : {}));
          // Groups are not rows: their values are not bound to one.
          if (operation !== "groupBy") await openRows(models, model, result);
          return result;
        },
      },
    },
  };
}

/** Seals what an operation writes, and replaces what its filters compare. Nested writes have the same members. */
async function sealArgs(models: Models, model: Model, args: Args): Promise<Args> {
  const out: Record<string, unknown> = { ...args };
  const where = Object.entries(equalities(args["where"]));
  const place = Object.fromEntries(where.filter(([field]) => !isEncrypted(model, field)));
  if (isArgs(args["where"])) out["where"] = await search(models, model, args["where"], {});
  for (const member of ["data", "create", "update"]) {
    // A row that exists is named by the filter; one that is created has all its properties.
    const known = member === "create" || args["where"] === undefined ? {} : place;
    const given = args[member];
    if (given !== undefined) {
      out[member] = await each(given, (data) => sealData(models, model, data, known));
    }
  }
  for (const member of ["include", "select"]) {
    const given = args[member];
    if (!isArgs(given)) continue;
    // Filters of relations that are read along.
    out[member] = await mapped(given, (field, value) => {
      if (!isArgs(value)) return value;
      if (field === "_count") return sealArgs(models, model, value);
      const related = model.relations.get(field);
      return related === undefined ? value : sealArgs(models, modelOf(models, related), value);
    });
  }
  return out;
}

async function sealData(models: Models, model: Model, data: Args, known: Args): Promise<Args> {
  const plain = await mapped(data, (field, value) => {
    const related = model.relations.get(field);
    if (related !== undefined) return sealNested(models, modelOf(models, related), value);
    const isSet = isEncrypted(model, field) && isArgs(value) && "set" in value;
    return isSet ? value["set"] : value;
  });
  if (model.table === undefined) return plain;
  const sealed: Args = await model.table.seal({ ...known, ...plain });
  const added = Object.keys(sealed).filter((field) => !(field in known) || field in plain);
  return Object.fromEntries(added.map((field) => [field, sealed[field]]));
}

/** Seals what is written through a relation: `{ create, createMany, connectOrCreate, update, updateMany, upsert, … }`. */
async function sealNested(models: Models, model: Model, writes: unknown): Promise<unknown> {
  if (!isArgs(writes)) return writes;
  return mapped(writes, async (kind, given) => {
    switch (kind) {
      case "create":
        return each(given, (data) => sealData(models, model, data, {}));
      case "update":
      case "updateMany":
        // A relation to one row also takes the data alone, in which a field may be called `data`.
        return each(given, async (one) =>
          isArgs(one["data"]) && Object.keys(one).every((name) => ["where", "data"].includes(name))
            ? sealArgs(models, model, one)
            : sealData(models, model, one, {}),
        );
      case "createMany":
      case "connectOrCreate":
      case "upsert":
        return each(given, (one) => sealArgs(models, model, one));
      default:
        // `connect`, `set`, `disconnect`, `delete` and `deleteMany` take filters.
        return each(given, (where) => search(models, model, where, {}));
    }
  });
}

/** Replaces equality with an encrypted value by a search of its blind index, in a filter and the filters in it. */
async function search(models: Models, model: Model, where: Args, outer: Args): Promise<Args> {
  const known = { ...outer, ...equalities(where) };
  const out: Record<string, unknown> = {};
  const also: Args[] = [];
  for (const [field, value] of Object.entries(where)) {
    const related = model.relations.get(field);
    if (["AND", "OR", "NOT"].includes(field)) {
      out[field] = await each(value, (inner) => search(models, model, inner, known));
    } else if (related !== undefined && isArgs(value)) {
      const other = modelOf(models, related);
      const isList = ["some", "every", "none", "is", "isNot"].some((kind) => kind in value);
      out[field] = isList
        ? await mapped(value, (_, inner) => each(inner, (one) => search(models, other, one, {})))
        : await search(models, other, value, {});
    } else if (isEncrypted(model, field) && value !== null && value !== undefined) {
      also.push(await searchIndex(model, field, value, known));
    } else out[field] = value;
  }
  if (also.length === 0) return out;
  const others = out["AND"] ?? [];
  return { ...out, AND: [...(Array.isArray(others) ? others : [others]), ...also] };
}

async function searchIndex(
  model: Model,
  field: string,
  value: unknown,
  known: Args,
): Promise<Args> {
  const { table } = model;
  const [index] = indexesOf(table?.definition.columns[field] ?? { type: "text" });
  if (table === undefined || index === undefined || (index.bits ?? 128) < BITS_IN_WHERE) {
    throw new TypeError(
      `${model.name}.${field} is encrypted: a filter needs a blind index of at least ${BITS_IN_WHERE} bits`,
    );
  }
  const { equals, in: list, ...others } = isArgs(value) ? value : { equals: value };
  if (Object.keys(others).length > 0 || (equals === undefined) === (list === undefined)) {
    throw new TypeError(`${model.name}.${field} is encrypted: it is found by equals or in alone`);
  }
  if (equals === null) return { [field]: null };
  const pairs = Object.entries(table.definition.indexScope ?? {});
  const scope = Object.fromEntries(
    pairs.flatMap(([pair, property]) => {
      const text = known[property];
      return text === undefined ? [] : [[pair, boundText(table.name, property, text)]];
    }),
  );
  const hashes: unknown[] = [];
  for (const one of Array.isArray(list) ? list : [equals]) {
    hashes.push(...(await table.find(field, one, { scope })));
  }
  return { [index.column]: { in: hashes } };
}

/** Opens the rows of a result where they are, and those of relations in them: each table's at once. */
async function openRows(models: Models, model: Model, result: unknown): Promise<void> {
  const found = new Map<Model, Record<string, unknown>[]>();
  const collect = (of: Model, rows: unknown): void => {
    for (const row of Array.isArray(rows) ? rows : [rows]) {
      if (!isArgs(row)) continue;
      if (of.table !== undefined) {
        const others = found.get(of);
        if (others === undefined) found.set(of, [row]);
        else others.push(row);
      }
      for (const [field, related] of of.relations) collect(modelOf(models, related), row[field]);
    }
  };
  collect(model, result);
  for (const [{ table }, rows] of found) {
    const opened: readonly Args[] = (await table?.openAll(rows)) ?? [];
    for (const [at, row] of rows.entries()) Object.assign(row, opened[at]);
  }
}

/** The properties that a filter compares for equality, with their values. */
function equalities(where: unknown): Row {
  if (!isArgs(where)) return {};
  return Object.fromEntries(
    Object.entries(where).flatMap(([field, value]) => {
      const equal =
        isArgs(value) && Object.keys(value).join() === "equals" ? value["equals"] : value;
      if (!isArgs(equal)) return [[field, equal]];
      // A unique key of several fields: { tenant_id: { tenant, id } }.
      return Object.values(equal).some(isArgs) ? [] : Object.entries(equal);
    }),
  );
}

/** Reads the models from where every Prisma Client with a query compiler has them. */
function readModels(columns: AnyColumns, client: object): Models {
  const found: unknown = Reflect.get(client, "_runtimeDataModel");
  if (!isArgs(found) || !isArgs(found["models"])) {
    throw new TypeError("client is a PrismaClient, before the extension");
  }
  const models = new Map<string, Model>();
  const missing = new Set(Object.keys(columns.tables));
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Prisma has no public type for it
  const described = found["models"] as Described;
  for (const [name, { dbName, schema, fields }] of Object.entries(described)) {
    const named = [`${schema}.${dbName ?? name}`, dbName ?? name].find(
      (one) => one in columns.tables,
    );
    const table = named === undefined ? undefined : columns.table(named);
    if (named !== undefined) missing.delete(named);
    const relations = fields.filter(({ kind }) => kind === "object");
    models.set(name, {
      name,
      table,
      relations: new Map(relations.map((field) => [field.name, field.type])),
    });
    for (const [column, { form = "bytes" }] of Object.entries(table?.definition.columns ?? {})) {
      const type = form === "text" ? "String" : "Bytes";
      if (fields.some((field) => field.name === column && field.type === type)) continue;
      throw new TypeError(`${name}.${column} must be ${type} in the schema: its form is ${form}`);
    }
  }
  const [table] = missing;
  if (table === undefined) return models;
  throw new TypeError(`no model of this Prisma Client has the table ${table}`);
}

type Described = Readonly<
  Record<
    string,
    {
      readonly dbName: string | null;
      readonly schema?: string | null;
      readonly fields: readonly {
        readonly name: string;
        readonly kind: string;
        readonly type: string;
      }[];
    }
  >
>;

function modelOf(models: Models, name: string): Model {
  const model = models.get(name);
  if (model !== undefined) return model;
  throw new TypeError(`this Prisma Client has no model ${name}`);
}

function isEncrypted({ table }: Model, field: string): boolean {
  return table !== undefined && Object.hasOwn(table.definition.columns, field);
}

/** Whether this is an object of Prisma's, not a value of a column. */
function isArgs(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Applies `change` to an object or to the objects of a list; anything else stays as it is. */
async function each(given: unknown, change: (one: Args) => Promise<unknown>): Promise<unknown> {
  if (!Array.isArray(given)) return isArgs(given) ? change(given) : given;
  const out: unknown[] = [];
  for (const one of given) out.push(isArgs(one) ? await change(one) : one);
  return out;
}

async function mapped(
  args: Args,
  change: (field: string, value: unknown) => unknown,
): Promise<Record<string, unknown>> {
  const out: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(args)) out[field] = await change(field, value);
  return out;
}

/**
 * What every adapter exports, made from the parts that differ: a factory of CMKs, the driver alone, a
 * doctor, and an opener of URIs.
 *
 * @module
 */
import { Cmk } from "../cmk.ts";
import type { CmkDriver } from "../driver.ts";
import type { OpenCmkOptions } from "../open-cmk.ts";
import { checkOptions } from "../options.ts";
import { KmsCallError } from "./call-error.ts";
import { doctor, type Doctor } from "./doctor.ts";
import type { AnyOptionTable } from "./settings.ts";
import { uriFault } from "./uri.ts";

/** The options of every opener, as far as an adapter sees them. */
export interface OpenOptions extends OpenCmkOptions {
  /** Further keys that may unwrap, beside those in the URI. Default: none. */
  readonly alsoUnwrap?: readonly string[] | undefined;
}

/** The parts of an adapter. `Calls` makes the calls to the KMS, with a client that it keeps. */
export interface AdapterParts<Settings extends { readonly alsoUnwrap: readonly string[] }, Calls> {
  /** The scheme of its URIs, without the colon. */
  readonly scheme: string;
  /** Checks options and copies them. Throws a TypeError or a RangeError for anything but the adapter's options. */
  check(options: object): Settings;
  /** Returns the options that a URI names. Throws `ERR_ENVELOPE_CONFIG`. */
  readonly parse: (uri: string) => object & Pick<OpenOptions, "alsoUnwrap">;
  /** The options, some of which the opener accepts. They replace what the URI says. */
  readonly options: AnyOptionTable;
  readonly callsOf: (settings: Settings) => Calls;
  readonly driverOf: (settings: Settings, calls: Calls) => CmkDriver;
  /** Makes an opener fail with a {@link KmsCallError} if the SDK is missing, or cannot find its configuration. */
  readonly connect: (calls: Calls) => Promise<unknown>;
}

export interface Adapter<Options extends object, Given extends OpenOptions> {
  /** Makes a CMK. Calls nothing. */
  readonly create: (options: Options) => Cmk;
  readonly driver: (options: Options) => CmkDriver;
  readonly doctor: Doctor<Options>;
  /** Opens the key that a URI names. Throws `ERR_ENVELOPE_CONFIG`, and a TypeError for options. */
  readonly open: (uri: string, options?: Given) => Promise<Cmk>;
}

export function adapterOf<
  Options extends object,
  Given extends OpenOptions,
  Settings extends { readonly alsoUnwrap: readonly string[] },
  Calls,
>(parts: AdapterParts<Settings, Calls>): Adapter<Options, Given> {
  const { scheme, parse, callsOf, driverOf, connect } = parts;
  const opened = new Set(["baseDirectory"]);
  const { key, connection, client } = parts.options;
  for (const [name, { opener }] of Object.entries({ ...key, ...connection, client })) {
    if (opener === true) opened.add(name);
  }

  const cmkOf = (settings: Settings, calls: Calls): Cmk =>
    new Cmk(driverOf(settings, calls), { alsoUnwrap: settings.alsoUnwrap });

  const create = (options: Options): Cmk => {
    const settings = parts.check(options);
    return cmkOf(settings, callsOf(settings));
  };

  return {
    create,
    driver(options) {
      const settings = parts.check(options);
      return driverOf(settings, callsOf(settings));
    },
    async doctor(options, doctorOptions) {
      await using cmk = create(options);
      return await doctor(cmk, doctorOptions);
    },
    async open(uri, given) {
      checkOptions(given ?? {}, opened);
      const { baseDirectory: _, alsoUnwrap = [], ...own }: OpenOptions = given ?? {};
      const named = parse(uri);
      const all = [...(named.alsoUnwrap ?? []), ...alsoUnwrap];
      const settings = parts.check({ ...named, ...definedIn(own), alsoUnwrap: all });
      const calls = callsOf(settings);
      try {
        await connect(calls);
      } catch (error) {
        if (!(error instanceof KmsCallError)) throw error;
        throw uriFault(scheme)(`it cannot be opened; ${error.hint}`);
      }
      return cmkOf(settings, calls);
    },
  };
}

function definedIn(options: object): object {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

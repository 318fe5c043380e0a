/**
 * Names of keys in Cloud KMS: `projects/P/locations/L/keyRings/R/cryptoKeys/K`.
 *
 * There are no aliases, but a project has a number besides its id, and a name may have either. An id
 * never starts with a digit.
 *
 * Source: Cloud KMS documentation, "Cloud KMS resource"; Resource Manager, "Creating and managing projects"
 *
 * @module
 */
export interface KeyName {
  /** Id or number. */
  readonly project: string;
  /** The rest: location, key ring and key. */
  readonly path: string;
}

const name =
  /^projects\/([a-z0-9.:-]{1,100})\/(locations\/[a-z0-9-]{1,63}\/keyRings\/[\w-]{1,63}\/cryptoKeys\/[\w-]{1,63})$/;

/** Returns `undefined` for anything but the name of a key, such as the name of a version. */
export function parseKeyName(text: string): KeyName | undefined {
  const [, project, path] = name.exec(text) ?? [];
  return project === undefined || path === undefined ? undefined : { project, path };
}

/** Splits the name of a version. */
export function parseVersionName(
  text: string,
): { readonly key: string; readonly version: string } | undefined {
  const [, key = "", version] = /^(.*)\/cryptoKeyVersions\/([0-9]{1,19})$/.exec(text) ?? [];
  return version === undefined || parseKeyName(key) === undefined ? undefined : { key, version };
}

/** Whether both name the same key, as far as names show. They do not show to which project a number belongs. */
export function isKeyOf({ project, path }: KeyName, label: string): boolean {
  const given = parseKeyName(label);
  if (given === undefined || given.path !== path) return false;
  return given.project === project || isNumber(given.project) !== isNumber(project);
}

function isNumber(project: string): boolean {
  return /^[0-9]+$/.test(project);
}

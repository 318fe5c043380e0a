/**
 * The URIs of configurations, which errors and commands show to whoever has to write one.
 *
 * @module
 */

/**
 * How a configuration names a key of a keystore: `keystore:/srv/prod.kms?key=alias/app`. What a URL has of its own is
 * percent-encoded.
 *
 * @param place - Absolute path, or URL of PostgreSQL.
 */
export function keystoreUri(place: string, key: string): string {
  return `keystore:${place.replaceAll(/[%?#&]/g, encodeURIComponent)}?key=${key}`;
}

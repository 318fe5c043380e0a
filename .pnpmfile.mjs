/**
 * Completes a manifest when its package is packed.
 *
 * The packages with the addons of `@env/native` exist on npm only: each is built on its own platform. As
 * dependencies in the repository they would have to be found by every installation here.
 */
export const hooks = {
  beforePacking({ addons, ...manifest }) {
    if (addons === undefined) return manifest;
    const names = Object.keys(addons).map((platform) => `${manifest.name}-${platform}`);
    const optionalDependencies = Object.fromEntries(names.map((name) => [name, manifest.version]));
    return { ...manifest, optionalDependencies };
  },
};

/**
 * Clients of which a test says what they answer.
 *
 * @module
 */

/** Returns a client with these methods. A call to one that `answers` lacks is rejected as unexpected. */
export function fakeClient<Client extends object>(
  methods: readonly (keyof Client & string)[],
  answers: Partial<Client>,
): Client {
  const unexpected = methods.map((name) => [
    name,
    () => Promise.reject(new Error(`${name} was not expected`)),
  ]);
  return Object.assign(Object.fromEntries(unexpected), answers);
}

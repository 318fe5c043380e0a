/**
 * Results that a synchronous backend has at once and another one promises.
 *
 * @module
 */

export type Awaitable<T> = T | Promise<T>;

/** Runs `next` synchronously on a value, or once a promise resolves: one code path for both kinds of backend. */
export function andThen<T, U>(value: Awaitable<T>, next: (value: T) => Awaitable<U>): Awaitable<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}

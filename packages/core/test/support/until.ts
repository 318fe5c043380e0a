/** Lets everything that needs no timer run until `done`; a test that waits for nothing ends with its time limit. */
export async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setImmediate(resolve));
}

/**
 * Waiting for what happens, never for a time: a busy machine is slow, and a fast one proves nothing.
 *
 * @module
 */

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** Waits until something has happened. If it never does, the test ends with its time limit. */
export async function until(happened: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await happened())) await turn();
}

/**
 * Waits until nothing more can happen by itself: for many turns of the event loop nothing was under
 * way elsewhere. What this thread can do without an answer from elsewhere, it has done by then.
 *
 * @param underWay - Whether a thread, a timer or the system still owes an answer.
 */
export async function settled(underWay: () => boolean = () => false): Promise<void> {
  for (let turns = 0; turns < 100; turns++) {
    await turn();
    if (underWay()) turns = 0;
  }
}

import type { VirtualTime } from '@holdfast/base/testing';

/** Lets promises and in-memory transports go on, and runs what was put off to the end of the poll phase. */
export async function settle(time: VirtualTime, rounds = 20): Promise<void> {
  for (let i = 0; i < rounds; i++) {
    await new Promise<void>((resolve) => void setImmediate(resolve));
    time.advance(0);
  }
}

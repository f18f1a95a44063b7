/**
 * Preloaded into the process of every test file: a file has to end by itself once its last test has. One that does not has
 * left something open; it is ended here after a while, as a failure that names what it is. Ending every file by force at its
 * last test would hide that, and lose reports of tests on their way out of the process.
 */
import { after } from 'node:test';
import { isMainThread } from 'node:worker_threads';

/** What ends in the background after the last test has this long. */
const lingerMs = 15_000;

// Processes that tests start in their turn are given the same options.
if (isMainThread && process.argv[1]?.endsWith('.test.ts') === true) {
  after(() => {
    setTimeout(() => {
      const open = process.getActiveResourcesInfo().join(', ');
      console.error(`${process.argv[1]} is still running ${lingerMs} ms after its last test; open: ${open}`);
      process.exit(1);
    }, lingerMs).unref();
  });
}

/**
 * `holdfast`: the process around the command line. Whatever goes wrong on the way, be it a file that cannot be loaded, an
 * exception or a rejection that nobody handled, or a wait for something that can no longer come, ends with status 3 and
 * its reason on standard error. Node's own answer would be 1, which is a verdict ("failed", of a drill "violated") and
 * belongs to whoever printed one.
 *
 * Nothing but node: modules may be imported here: a static import that fails is out of reach of what follows.
 */
import { writeSync } from 'node:fs';
import { inspect } from 'node:util';

const crashed = 3;
/** What Node ends with when a top-level await can never be settled. */
const unsettled = 13;

function crash(error: unknown): never {
  // Directly: a stream would still be writing when the process ends.
  writeSync(process.stderr.fd, `holdfast: this is a bug: ${inspect(error)}\n`);
  process.exit(crashed);
}

process.on('uncaughtException', crash);
process.on('exit', (status) => {
  if (status !== unsettled) return;
  writeSync(process.stderr.fd, 'holdfast: this is a bug: nothing is left that could end what was waited for\n');
  process.exitCode = crashed;
});

try {
  const { runCommandLine } = await import('./command-line.ts');
  await runCommandLine(process.argv.slice(2));
} catch (error) {
  crash(error);
}

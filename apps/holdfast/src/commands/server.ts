/** `holdfast server`: a data node. */
import { runServer } from '../server/run-server.ts';

/** See docs/reference/cli.md. The status 1 of a node that could not start is Kvrocks' own. */
export function run(args: readonly string[]): Promise<number> {
  return runServer('holdfast server', args);
}

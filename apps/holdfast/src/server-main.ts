/** `holdfast-server`: a drop-in for the `kvrocks` binary. */
import { runServer } from './server/run-server.ts';

process.exitCode = await runServer('holdfast-server', process.argv.slice(2));

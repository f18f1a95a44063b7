/**
 * Child of rewind.test.ts: rewinds a database to a sequence and kills itself at the nth change in the directory, or prints
 * the sequence. The open runs on a worker thread, so this thread sees the changes while they happen.
 */
import { mkdirSync, watch } from 'node:fs';
import { join } from 'node:path';
import { open } from '../../open.ts';
import { openOptions } from '../scratch.ts';

const [, , path = '', sequence, changes] = process.argv;
let left = Number(changes);
const onChange = (): void => {
  if (--left === 0) process.kill(process.pid, 'SIGKILL');
};
const archive = join(path, 'archive');
mkdirSync(archive, { recursive: true });
for (const directory of [path, archive]) watch(directory, { persistent: false }, onChange);
const database = await open(
  openOptions(path, {
    createIfMissing: false,
    options: { WAL_ttl_seconds: '1000', avoid_flush_during_recovery: 'true' },
    walStopAt: Number(sequence),
  }),
);
console.log(database.latestSequence());
await database.close();

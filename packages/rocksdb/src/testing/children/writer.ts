/** Child of lifetime.test.ts: writes until it is killed, printing each sequence once the database has it. */
import { writeSync } from 'node:fs';
import { open } from '../../open.ts';
import { recordOf, writeNow } from '../batches.ts';
import { openOptions } from '../scratch.ts';

const database = await open(openOptions(process.argv[2] ?? ''));
for (let i = database.latestSequence() / 2; ; i++) {
  writeSync(1, `${writeNow(database, recordOf(i))}\n`);
  if (i % 100 === 99) await database.flush();
}

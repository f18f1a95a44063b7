/**
 * A process that rejoins and is killed on the way: `<dir> start|rewind <keep> <kill before this change>`. Changes are those
 * of the file port and the opening and closing of the database, counted from 0; it prints their number when it ends alive.
 */
import { seededRandom, silentLogger } from '@holdfast/base';
import { realClock, realTimers } from '@holdfast/base/real';
import { Engine } from '@holdfast/engine';
import type { FileWriter, ReplicationFiles, RewindLog } from '@holdfast/replication';
import { replicationFiles } from '../../net/replication-files.ts';
import { finishRejoin, rejoin, type RejoinRim } from '../rejoin.ts';

const [dir = '', mode = '', keep = '', killAt = ''] = process.argv.slice(2);
let changes = 0;

function change<T>(run: () => Promise<T>): Promise<T> {
  if (changes++ === Number(killAt)) process.kill(process.pid, 'SIGKILL');
  return run();
}

const files: ReplicationFiles = {
  ...replicationFiles,
  makeDirectory: (path) => change(() => replicationFiles.makeDirectory(path)),
  remove: (path) => change(() => replicationFiles.remove(path)),
  rename: (from, to) => change(() => replicationFiles.rename(from, to)),
  openWriter: (path) =>
    change(async (): Promise<FileWriter> => {
      const writer = await replicationFiles.openWriter(path);
      return {
        write: (bytes) => change(() => writer.write(bytes)),
        finish: () => change(() => writer.finish()),
        abandon: () => writer.abandon(),
      };
    }),
};

const engine = Engine.closed({
  path: `${dir}/db`,
  slotPrefixed: false,
  clock: realClock,
  random: seededRandom(1),
});
const log: RewindLog = {
  get database() {
    return engine.database;
  },
  get isOpen() {
    return engine.isOpen;
  },
  latestSequence: () => engine.latestSequence(),
  close: () => change(() => engine.close()),
  reopen: (walStopAt) => change(() => engine.reopen(walStopAt)),
};
const rim: RejoinRim = {
  files,
  dir,
  timers: realTimers,
  logger: silentLogger,
  replaceLogId: () => undefined,
  obstacle: () => undefined,
};

if (mode === 'start') await finishRejoin(rim, log);
else {
  await engine.reopen();
  const env = {
    ...rim,
    log,
    clock: realClock,
    slotPrefixed: false,
    mode: (): 'sync' => 'sync',
    identity: () => ({ nodeId: 'n'.repeat(40), logId: 'log-0-0-0' }),
    outline: () => ({ history: [{ epoch: 2, firstSequence: 1 }], latestSequence: engine.latestSequence() }),
  };
  const outcome = await rejoin(env, { epoch: 2, sequence: Number(keep) }, new AbortController().signal);
  if (outcome !== 'rewound') throw new Error(outcome);
}
await engine.close();
process.stdout.write(`${changes}\n`);

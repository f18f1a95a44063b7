/** A server that notes what it is asked for, and answers examples. */
import type { Namespace } from '@holdfast/engine';
import { decodeReplies } from '@holdfast/resp/testing';
import type { Reply } from '@holdfast/resp';
import { define, firstKey, noKeys } from '../../command.ts';
import { CommandTable } from '../../table.ts';
import { FakeSession, runOn } from '../../testing/fake-session.ts';
import { serverCommands } from '../index.ts';
import type { EntryLog, SlowCommand } from '../observation.ts';
import type { SpikeFacts } from '../latency.ts';
import type { ServerPort } from '../port.ts';

class FakeLog<Entry> implements EntryLog<Entry> {
  readonly entries: Entry[];

  constructor(entries: Entry[]) {
    this.entries = entries;
  }

  get length(): number {
    return this.entries.length;
  }

  newest(count: number): readonly Entry[] {
    return this.entries.slice(0, count);
  }

  clear(): void {
    this.entries.length = 0;
  }
}

function slow(id: number): SlowCommand {
  return {
    id,
    beganAtMs: 1_700_000_000_999,
    durationUs: 12.6,
    args: [Buffer.from('get'), Buffer.from('a')],
    peer: '127.0.0.1:1',
    clientName: 'me',
  };
}

export class FakeNode {
  readonly calls: string[] = [];
  rewriteRefusal: string | undefined;
  spikes: readonly SpikeFacts[] = [];
  spikeFromMs = 0;
  refusal: string | undefined;
  lastBackup = -1;
  readonly table: CommandTable = new CommandTable();
  readonly port: ServerPort = {
    configuration: {
      show: (patterns) => [{ name: 'port', value: patterns.join(',') }],
      set: (pairs) =>
        pairs.some(([name]) => name === 'port') ? 'ERR not that one' : this.#note(`set ${pairs.flat().join(' ')}`),
    },
    rewriteConfiguration: (answer) => queueMicrotask(() => answer(this.rewriteRefusal)),
    resetStatistics: () => this.#note('resetstat'),
    info: (sections) => `info ${sections.join(',')}`,
    keyCount: (namespace: Namespace) => namespace.name.length,
    startKeyCount: (namespace) => this.#note(`count ${namespace.name}`),
    flush: (namespace) => this.#note(`flush ${namespace?.name ?? 'everything'}`),
    shutDown: () => this.#note('shutdown'),
    stall: (ms) => this.#note(`stall ${ms}`),
    pretendFull: (full) => this.#note(`full ${full}`),
    versionText: 'Test ver. 1',
    observation: {
      slow: new FakeLog([slow(3), slow(2), slow(1)]),
      sampled: new FakeLog([
        { id: 7, beganAtMs: 1_700_000_000_999, durationUs: 12.6, name: 'get', reads: 'a = 1', files: '' },
      ]),
      latencies: (names) =>
        names !== undefined && !names.includes('get')
          ? []
          : [
              {
                name: 'get',
                calls: 3,
                cumulative: [
                  [8, 1],
                  [64, 3],
                ],
              },
            ],
      spikes: {
        events: () => this.spikes,
        forget: (names) => this.#note(`forget ${names?.join() ?? 'all'}`) ?? 2,
      },
      spikeFromMs: () => this.spikeFromMs,
      monitor: (session) => this.#note(`monitor ${session.id}`),
    },
    upkeep: {
      startBackup: () => this.refusal ?? this.#note('backup'),
      lastBackupSeconds: () => this.lastBackup,
      deleteBackup: () => this.refusal ?? this.#note('delete backup'),
      startCompaction: (namespace) => this.refusal ?? this.#note(`compact ${namespace?.name ?? 'everything'}`),
      flushMemtables: (answer) => answer(this.refusal ?? this.#note('flush memtables')),
      flushBlockCache: () => this.refusal ?? this.#note('flush block cache'),
      statistics: () => '{}',
    },
    updates: {
      poll: (request, answer) => {
        this.#note(`poll ${JSON.stringify(request)}`);
        answer(this.refusal ?? { latestSequence: 9, nextSequence: 4, batches: [Buffer.from([0xab, 1])] });
      },
      apply: (batch, namespace) => this.refusal ?? this.#note(`apply ${batch.toString()} ${namespace.name}`),
    },
    space: {
      keyBytes: (key, _namespace, _nowMs, samples) => (key.equals(Buffer.from('k')) ? 100 + samples : undefined),
      diskBytes: (key) => (key.equals(Buffer.from('k')) ? 777 : undefined),
      memory: () => ({ residentBytes: 5, residentBytesAtStart: 4, heapBytes: 2, bufferBytes: 1 }),
    },
    commands: this.table,
  };
  readonly session: FakeSession = new FakeSession();

  constructor() {
    this.table
      .add(serverCommands(this.port))
      .add([
        define({ ...some, name: 'get', arity: 2, flags: ['readonly', 'fast'], keys: firstKey }),
        define({ ...some, name: 'mset', arity: -3, flags: ['write'], keys: { first: 1, last: -1, step: 2 } }),
        define({ ...some, name: 'eval', arity: -3, flags: ['write'], keys: noKeys, keyIndexes: () => [3] }),
      ]);
  }

  #note(call: string): undefined {
    this.calls.push(call);
  }

  run(line: string): string {
    return runOn(this.table, this.session, line.split(' '));
  }

  replies(line: string): Reply {
    return decodeReplies(Buffer.from(this.run(line), 'latin1'))[0] as Reply;
  }
}

const some = {
  group: 'string',
  since: '1.0.0',
  complexity: 'O(1)',
  summary: 'A test.',
  parse: () => null,
  run: () => undefined,
} as const;

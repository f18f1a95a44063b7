/** MEMORY and DISK: what keys and the server take. Sizes of keys are estimated from their records. */
import type { Namespace } from '@holdfast/engine';
import type { Request } from '@holdfast/resp';
import { Refusal, define, errors, type Call, type CommandDefinition } from '../command.ts';
import { commandWithRows, noArguments, subCommand, type SubCommand } from '../sub-command.ts';

export interface MemoryFacts {
  readonly residentBytes: number;
  readonly residentBytesAtStart: number;
  readonly heapBytes: number;
  readonly bufferBytes: number;
}

export interface SpacePort {
  /**
   * About how many bytes the records of a key are, uncompressed.
   * @param samples elements looked at; 0 means all.
   * @returns undefined without such a key.
   */
  keyBytes(key: Buffer, namespace: Namespace, nowMs: number, samples: number): number | undefined;
  /** As `keyBytes`, with what is left of the key's former values. */
  diskBytes(key: Buffer, namespace: Namespace, nowMs: number, samples: number): number | undefined;
  memory(): MemoryFacts;
}

const defaultSamples = 1000;

interface UsageInput {
  readonly key: Buffer;
  readonly samples: number;
}

function parseUsage(request: Request): UsageInput | Refusal {
  const key = request.bytes(2);
  if (request.count === 3) return { key, samples: defaultSamples };
  if (request.count !== 5 || !request.is(3, 'samples')) return new Refusal(errors.syntax);
  const samples = request.integer(4);
  if (Number.isNaN(samples)) return new Refusal(errors.notInteger);
  return samples < 0 ? new Refusal(errors.syntax) : { key, samples };
}

function usageRow(port: SpacePort): SubCommand {
  return subCommand<UsageInput>({
    name: 'usage',
    arity: -3,
    usage: '<key> [SAMPLES <count>]',
    summary:
      'Returns about how many bytes the records of a key are, from some of its elements, or with SAMPLES 0 from all.',
    parse: parseUsage,
    run: ({ namespace, nowMs }: Call, { key, samples }, reply) => {
      const bytes = port.keyBytes(key, namespace, nowMs, samples);
      if (bytes === undefined) reply.nil();
      else reply.integer(bytes);
    },
  });
}

const doctorText =
  'This server keeps its data on disk; its memory is the heap of its runtime, buffers of clients and the caches and ' +
  'memtables of RocksDB (rocksdb.* directives). INFO memory and INFO rocksdb have the figures.';

function serverRows(port: SpacePort): SubCommand[] {
  return [
    subCommand<null>({
      name: 'doctor',
      arity: 2,
      usage: '',
      summary: 'Returns a text about where memory goes.',
      parse: noArguments,
      run: (_call, _input, reply) => reply.verbatim(doctorText),
    }),
    subCommand<null>({
      name: 'stats',
      arity: 2,
      usage: '',
      summary: 'Returns figures of the memory of the process.',
      parse: noArguments,
      run: (_call, _input, reply) => {
        const { residentBytes, residentBytesAtStart, heapBytes, bufferBytes } = port.memory();
        const figures: readonly (readonly [string, number])[] = [
          ['total.allocated', heapBytes + bufferBytes],
          ['startup.allocated', residentBytesAtStart],
          ['runtime.heap', heapBytes],
          ['runtime.buffers', bufferBytes],
          ['process.resident', residentBytes],
        ];
        reply.map(figures.length);
        for (const [name, value] of figures) {
          reply.bulkText(name);
          reply.integer(value);
        }
      },
    }),
    subCommand<null>({
      name: 'purge',
      arity: 2,
      usage: '',
      summary: 'Accepted without effect: the allocator gives memory back by itself.',
      parse: noArguments,
      run: (_call, _input, reply) => reply.ok(),
    }),
    subCommand<null>({
      name: 'malloc-stats',
      arity: 2,
      usage: '',
      summary: 'Returns that the allocator tells nothing.',
      parse: noArguments,
      run: (_call, _input, reply) => reply.verbatim('Stats not supported for the current allocator'),
    }),
  ];
}

function memory(port: SpacePort): CommandDefinition {
  const definition = commandWithRows({
    name: 'memory',
    flags: ['readonly'],
    group: 'server',
    since: '4.0.0',
    summary: 'Memory of the server, and sizes of keys.',
    rows: [usageRow(port), ...serverRows(port)],
  });
  // Only USAGE has a third word, its key.
  return define({ ...definition, keys: { first: 2, last: 2, step: 1 } });
}

function disk(port: SpacePort): CommandDefinition {
  return define<UsageInput>({
    name: 'disk',
    arity: 3,
    flags: ['readonly'],
    keys: { first: 2, last: 2, step: 1 },
    group: 'server',
    since: 'Kvrocks 2.4.0',
    complexity: 'O(1): at most a thousand elements are looked at.',
    summary:
      'DISK USAGE key: about how many bytes the records of a key are, before compression, with what is left of former values.',
    parse: (request) => {
      if (!request.is(1, 'usage')) return new Refusal('ERR Unknown operation');
      return { key: request.bytes(2), samples: defaultSamples };
    },
    run: ({ namespace, nowMs }, { key, samples }, reply) => {
      const bytes = port.diskBytes(key, namespace, nowMs, samples);
      if (bytes === undefined) reply.nil();
      else reply.integer(bytes);
    },
  });
}

export function spaceCommands(port: SpacePort): CommandDefinition[] {
  return [memory(port), disk(port)];
}

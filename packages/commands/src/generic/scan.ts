/** Walking over the keys: SCAN, KEYS, RANDOMKEY. Keys come in stored order. */
import { Glob, type DataTypes, type KeyWalk } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { define, noKeys, type CommandDefinition } from '../command.ts';
import { itself } from '../data/arguments.ts';
import { parseScanOptions, type ScanOptions } from '../data/scan-options.ts';
import type { SlicedReply } from '../sliced.ts';

function scan({ scan: keys, cursors }: DataTypes): CommandDefinition {
  return define<ScanOptions>({
    name: 'scan',
    arity: -2,
    flags: ['readonly'],
    keys: noKeys,
    group: 'generic',
    since: '2.8.0',
    complexity: 'O(1) for every call, O(N) for a whole iteration, N being the number of keys.',
    summary: 'Iterates over the keys. COUNT is how many are looked at, 20 when not given.',
    parse: (request) => parseScanOptions(request, 1, { type: true }),
    run(call, { cursor, match, count, type }, reply) {
      const after = cursors.recall(cursor);
      const found = keys.scan({ namespace: call.namespace, nowMs: call.nowMs, after, match, count, type });
      reply.array(2);
      reply.bulkLatin1(found.last === undefined ? '0' : cursors.remember(found.last));
      reply.array(found.keys.length);
      for (const key of found.keys) reply.bulk(key);
    },
  });
}

/** Records that are looked at in one turn: a few milliseconds' work. */
const lookedAtOnce = 8192;

/**
 * The reply of KEYS. How many keys there are is known only at the end, but stands at the beginning: they are gathered, a
 * part each turn, and written with the last one.
 */
class FoundKeys implements SlicedReply {
  readonly #walk: KeyWalk;
  readonly #body: ReplyWriter;
  #count = 0;

  constructor(walk: KeyWalk, reply: ReplyWriter) {
    this.#walk = walk;
    this.#body = reply.body();
  }

  next(reply: ReplyWriter): boolean {
    const goesOn = this.#walk.step(lookedAtOnce, ({ buffer, start, end }) => {
      this.#body.bulk(buffer, start, end);
      this.#count++;
    });
    if (goesOn) return true;
    reply.array(this.#count);
    reply.raw(this.#body.take());
    return false;
  }

  close(): void {
    this.#walk.close();
  }
}

function keys({ scan: keyScan }: DataTypes): CommandDefinition {
  return define<Glob>({
    name: 'keys',
    arity: 2,
    flags: ['readonly', 'slow'],
    keys: noKeys,
    group: 'generic',
    since: '1.0.0',
    complexity: 'O(N) where N is the number of keys that begin as the pattern does.',
    summary: 'Returns all keys that match a glob pattern.',
    parse: (request) => new Glob(Buffer.from(request.bytes(1))),
    run(call, match, reply) {
      const { nowMs, slices } = call;
      const walk = keyScan.walk(call.namespace, { nowMs, match, detached: slices !== undefined });
      const found = new FoundKeys(walk, reply);
      let isHandedOver = false;
      try {
        let goesOn = found.next(reply);
        while (goesOn && slices === undefined) goesOn = found.next(reply);
        if (goesOn) slices?.begin(found);
        isHandedOver = goesOn;
      } finally {
        if (!isHandedOver) found.close();
      }
    },
  });
}

function randomKey({ scan: keyScan }: DataTypes): CommandDefinition {
  return define<Request>({
    name: 'randomkey',
    arity: 1,
    flags: ['readonly'],
    keys: noKeys,
    group: 'generic',
    since: '1.0.0',
    complexity: 'O(1)',
    summary: 'Returns a key from a random place; keys that stand close together are drawn less often.',
    parse: itself,
    run(call, _request, reply) {
      const key = keyScan.random(call.namespace, call.nowMs);
      if (key === undefined) reply.nil();
      else reply.bulk(key);
    },
  });
}

export function scanCommands(types: DataTypes): CommandDefinition[] {
  return [scan(types), keys(types), randomKey(types)];
}

/** Changing what a stream holds or tells of itself: XDEL, XSETID. */
import type { StreamId, Streams } from '@holdfast/engine';
import type { Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type CommandDefinition } from '../command.ts';
import { keyOf } from '../data/arguments.ts';
import { openCollection } from '../data/open-collection.ts';
import { notify } from '../events.ts';
import { idsFrom, invalidId, strictIdOf } from './ids.ts';
import { type StreamTypes } from './stream-types.ts';

function xDel({ streams }: StreamTypes): CommandDefinition {
  return define<{ readonly request: Request; readonly ids: readonly StreamId[] }>({
    name: 'xdel',
    arity: -3,
    flags: ['write', 'fast', 'no-dbsize-check'],
    keys: firstKey,
    group: 'stream',
    since: '5.0.0',
    complexity: 'O(N) with N being the number of ids.',
    summary: 'Deletes entries of a stream. A stream without entries goes on existing.',
    parse(request) {
      const ids = idsFrom(request, 2);
      return ids instanceof Refusal ? ids : { request, ids };
    },
    run(call, { request, ids }, reply) {
      const key = keyOf(call, request, 1);
      const opened = openCollection(streams, key, call.nowMs, reply);
      if (opened === undefined) return;
      let deleted = 0;
      if (opened === 'found') for (const id of ids) if (streams.removeEntry(id)) deleted++;
      if (deleted > 0) {
        streams.settleEdges();
        streams.saveStream(key);
        notify(call, 't', 'xdel', key);
      }
      reply.integer(deleted);
    },
  });
}

interface SetIdInput {
  readonly request: Request;
  readonly last: StreamId;
  readonly added: bigint | undefined;
  readonly maxDeleted: StreamId | undefined;
}

function parseSetId(request: Request): SetIdInput | Refusal {
  const last = strictIdOf(request, 2);
  if (last === undefined) return new Refusal(invalidId);
  let added: bigint | undefined;
  let maxDeleted: StreamId | undefined;
  for (let index = 3; index < request.count; index += 2) {
    if (index + 1 >= request.count) return new Refusal(errors.syntax);
    if (request.is(index, 'entriesadded')) {
      added = request.int64(index + 1);
      if (added === undefined) return new Refusal(errors.notInteger);
      if (added < 0n) return new Refusal('ERR entries_added must be positive');
    } else if (request.is(index, 'maxdeletedid')) {
      maxDeleted = strictIdOf(request, index + 1);
      if (maxDeleted === undefined) return new Refusal(invalidId);
      if (last.compare(maxDeleted) < 0) {
        return new Refusal('ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id');
      }
    } else return new Refusal(errors.syntax);
  }
  return { request, last, added, maxDeleted };
}

/** What forbids these ids for the open stream. */
function refusalOf(streams: Streams, { last, added }: SetIdInput): string | undefined {
  if (last.compare(streams.maxDeleted) < 0) {
    return 'ERR The ID specified in XSETID is smaller than current max_deleted_entry_id';
  }
  if (streams.size > 0 && last.compare(streams.last) < 0) {
    return 'ERR The ID specified in XSETID is smaller than the target stream top item';
  }
  if (added !== undefined && streams.size > 0 && BigInt(streams.size) > added) {
    return 'ERR The entries_added specified in XSETID is smaller than the target stream length';
  }
  return undefined;
}

function xSetId({ streams }: StreamTypes): CommandDefinition {
  return define<SetIdInput>({
    name: 'xsetid',
    arity: -3,
    flags: ['write', 'fast'],
    keys: firstKey,
    group: 'stream',
    since: '5.0.0',
    complexity: 'O(1)',
    summary: 'Sets the last id a stream has given, and what it counts.',
    parse: parseSetId,
    run(call, input, reply) {
      const key = keyOf(call, input.request, 1);
      const opened = openCollection(streams, key, call.nowMs, reply);
      if (opened === undefined) return;
      if (opened === 'absent') return reply.error(errors.noSuchKey);
      const refused = refusalOf(streams, input);
      if (refused !== undefined) return reply.error(refused);
      streams.lastGenerated.set(input.last);
      if (input.added !== undefined) streams.entriesAdded = input.added;
      if (input.maxDeleted !== undefined && !input.maxDeleted.isZero) streams.maxDeleted.set(input.maxDeleted);
      streams.saveIds(key);
      notify(call, 't', 'xsetid', key);
      reply.ok();
    },
  });
}

export function changeCommands(types: StreamTypes): CommandDefinition[] {
  return [xDel(types), xSetId(types)];
}

/** Commands that change a part of a string: APPEND, SETRANGE. */
import { Window, type DataTypes } from '@holdfast/engine';
import type { Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type CommandDefinition } from '../command.ts';
import { itself, keyOf, spanOfArgument } from '../data/arguments.ts';
import { notify } from '../events.ts';

/** Longest string, in bytes: Redis' and Kvrocks' proto-max-bulk-len. */
export const stringBytesMax: number = 512 << 20;

const tooLong = 'ERR string exceeds maximum allowed size (proto-max-bulk-len)';

function append({ strings }: DataTypes): CommandDefinition {
  return define<Request>({
    name: 'append',
    arity: 3,
    flags: ['write', 'fast'],
    keys: firstKey,
    group: 'string',
    since: '2.0.0',
    complexity: 'O(N) where N is the length of the string: the whole value is written again.',
    summary: 'Appends a string to the value of a key. The key is created if it does not exist.',
    parse: itself,
    run(call, request, reply) {
      const key = keyOf(call, request, 1);
      const found = strings.get(key, call.nowMs);
      if (found === 'wrong-type') return reply.error(errors.wrongType);
      const tail = spanOfArgument(request, 2);
      if (found === 'absent') {
        strings.set(key, tail, 0);
        notify(call, '$', 'append', key);
        return reply.integer(tail.end - tail.start);
      }
      const length = strings.value.length + tail.end - tail.start;
      if (length > stringBytesMax) return reply.error(tooLong);
      const joined = new Window();
      joined.setAll(Buffer.concat([strings.value.view(), tail.buffer.subarray(tail.start, tail.end)]));
      strings.rewrite(key, joined, strings.expireMs);
      notify(call, '$', 'append', key);
      reply.integer(length);
    },
  });
}

interface SetRangeInput {
  readonly request: Request;
  readonly offset: number;
}

function setRange({ strings }: DataTypes): CommandDefinition {
  return define<SetRangeInput>({
    name: 'setrange',
    arity: 4,
    flags: ['write'],
    keys: firstKey,
    group: 'string',
    since: '2.2.0',
    complexity: 'O(N) where N is the length of the string: the whole value is written again.',
    summary: 'Overwrites a part of a string value with another, from an offset on. The key is created if needed.',
    parse(request) {
      const offset = request.int64(2);
      if (offset === undefined) return new Refusal(errors.notInteger);
      if (offset < 0n) return new Refusal('ERR offset is out of range');
      return { request, offset: Number(offset) };
    },
    run(call, { request, offset }, reply) {
      const key = keyOf(call, request, 1);
      const found = strings.get(key, call.nowMs);
      if (found === 'wrong-type') return reply.error(errors.wrongType);
      const length = found === 'absent' ? 0 : strings.value.length;
      const patch = spanOfArgument(request, 3);
      const patchLength = patch.end - patch.start;
      if (patchLength === 0) return reply.integer(length);
      if (offset + patchLength > stringBytesMax) return reply.error(tooLong);
      const changed = Buffer.alloc(Math.max(length, offset + patchLength));
      if (found === 'found') strings.value.view().copy(changed);
      patch.buffer.copy(changed, offset, patch.start, patch.end);
      const value = new Window();
      value.setAll(changed);
      if (found === 'found') strings.rewrite(key, value, strings.expireMs);
      else strings.set(key, value, 0);
      notify(call, '$', 'setrange', key);
      reply.integer(changed.length);
    },
  });
}

export function changeCommands(types: DataTypes): CommandDefinition[] {
  return [append(types), setRange(types)];
}

/** HyperLogLogs: PFADD, PFCOUNT, PFMERGE. They are a type of their own, as in Kvrocks, and no strings as in Redis. */
import { HyperLogLogs, estimate, registerCount, typeId, type DataTypes } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { define, errors, firstKey, type Call, type CommandDefinition } from '../command.ts';
import { itself, keyOf, spanOfArgument } from '../data/arguments.ts';
import { notify } from '../events.ts';

/** Redis tells a string that holds no HyperLogLog from other types; to a client of ours every string is one. */
function refuseType({ records }: DataTypes, reply: ReplyWriter): void {
  const isString = records.meta.type === typeId.string;
  reply.error(isString ? 'WRONGTYPE Key is not a valid HyperLogLog string value.' : errors.wrongType);
}

function pfAdd(types: DataTypes, logs: HyperLogLogs): CommandDefinition {
  return define<Request>({
    name: 'pfadd',
    arity: -2,
    flags: ['write', 'fast'],
    keys: firstKey,
    group: 'hyperloglog',
    since: '2.8.9',
    complexity: 'O(N) where N is the number of members.',
    summary: 'Counts members into a HyperLogLog. Without members it is only created, if it does not exist.',
    parse: itself,
    run(call, request, reply) {
      const key = keyOf(call, request, 1);
      const opened = logs.openOrCreate(key, call.nowMs);
      if (opened === 'wrong-type') return refuseType(types, reply);
      let isChanged = false;
      for (let index = 2; index < request.count; index++) {
        if (logs.add(spanOfArgument(request, index))) isChanged = true;
      }
      logs.saveRegisters(key);
      if (isChanged || opened === 'absent') notify(call, '$', 'pfadd', key);
      // A key that was only created answers 0, as Kvrocks' suite asks for; Redis answers 1.
      reply.integer(isChanged ? 1 : 0);
    },
  });
}

/** Raises `registers` to those of all keys from argument `first` on. @returns false when an error was written. */
function gather(
  types: DataTypes,
  logs: HyperLogLogs,
  input: { call: Call; request: Request; first: number; registers: Uint8Array },
  reply: ReplyWriter,
): boolean {
  const { call, request, registers } = input;
  registers.fill(0);
  for (let index = input.first; index < request.count; index++) {
    const opened = logs.open(keyOf(call, request, index), call.nowMs);
    if (opened === 'wrong-type') {
      refuseType(types, reply);
      return false;
    }
    if (opened === 'found') logs.raiseInto(registers);
  }
  return true;
}

function pfCount(types: DataTypes, logs: HyperLogLogs, registers: Uint8Array): CommandDefinition {
  return define<Request>({
    name: 'pfcount',
    arity: -2,
    flags: ['readonly', 'slow'],
    keys: { first: 1, last: -1, step: 1 },
    group: 'hyperloglog',
    since: '2.8.9',
    complexity: 'O(N) where N is the number of keys; each has 16384 registers.',
    summary: 'Estimates how many different members were counted into one or several HyperLogLogs.',
    parse: itself,
    run(call, request, reply) {
      if (gather(types, logs, { call, request, first: 1, registers }, reply)) reply.integer(estimate(registers));
    },
  });
}

function pfMerge(types: DataTypes, logs: HyperLogLogs, registers: Uint8Array): CommandDefinition {
  return define<Request>({
    name: 'pfmerge',
    arity: -2,
    flags: ['write', 'slow'],
    keys: { first: 1, last: -1, step: 1 },
    group: 'hyperloglog',
    since: '2.8.9',
    complexity: 'O(N) where N is the number of keys; each has 16384 registers.',
    summary: 'Counts into a HyperLogLog what was counted into others. It is created if it does not exist.',
    parse: itself,
    run(call, request, reply) {
      // The destination is the first one that is looked at, as in Redis: what is wrong with it is said first.
      if (!gather(types, logs, { call, request, first: 1, registers }, reply)) return;
      const key = keyOf(call, request, 1);
      logs.openOrCreate(key, call.nowMs);
      logs.raiseAll(registers);
      logs.saveRegisters(key);
      notify(call, '$', 'pfadd', key);
      reply.ok();
    },
  });
}

/** All commands on HyperLogLogs. */
export function hyperLogLogCommands(types: DataTypes): CommandDefinition[] {
  const logs = new HyperLogLogs(types.records);
  const registers = new Uint8Array(registerCount);
  return [pfAdd(types, logs), pfCount(types, logs, registers), pfMerge(types, logs, registers)];
}

/**
 * The arguments of XREAD and XREADGROUP: options, then `STREAMS`, then as many ids as keys. Both may wait, so what is kept
 * of a request outlives it: keys and names are copied only then.
 */
import type { StreamId } from '@holdfast/engine';
import type { Request } from '@holdfast/resp';
import { Refusal, errors } from '../command.ts';
import { int64NumberOf, invalidId, strictIdOf } from './ids.ts';

/** `$`: what comes from now on. `>`: what the group has not handed out. */
export type ReadFrom = StreamId | '$' | '>';

export interface ReadInput {
  readonly request: Request;
  /** Index of the first key argument. */
  readonly firstKey: number;
  readonly from: readonly ReadFrom[];
  /** Which of `from` were given as milliseconds alone. */
  readonly isMsAlone: readonly boolean[];
  /** Infinity: all. */
  readonly count: number;
  /** How long to wait for entries; 0 for ever, undefined not at all. */
  readonly blockMs: number | undefined;
  /** Index of the group's name, the consumer's being the next; undefined in XREAD. */
  readonly group: number | undefined;
  readonly isNoAck: boolean;
}

const noGroupInRead = 'ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.';
const noAckInRead = 'ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.';
const onlyInGroup =
  'ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.';
const noDollarInGroup =
  'ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by ' +
  'specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.';

/** The options in front of STREAMS, while they are read. */
interface Options {
  count: number;
  blockMs: number | undefined;
  group: number | undefined;
  isNoAck: boolean;
}

function parseBlock(request: Request, index: number): number | Refusal {
  const timeout = int64NumberOf(request, index);
  if (timeout === undefined) return new Refusal('ERR timeout is not an integer or out of range');
  return timeout < 0 ? new Refusal('ERR timeout is negative') : timeout;
}

/** Reads the option at `index`. @returns the index behind it. */
function parseOption(request: Request, index: number, isGroup: boolean, into: Options): number | Refusal {
  const left = request.count - 1 - index;
  if (request.is(index, 'block') && left > 0) {
    const blockMs = parseBlock(request, index + 1);
    if (blockMs instanceof Refusal) return blockMs;
    into.blockMs = blockMs;
    return index + 2;
  }
  if (request.is(index, 'count') && left > 0) {
    const count = int64NumberOf(request, index + 1);
    if (count === undefined) return new Refusal(errors.notInteger);
    into.count = count <= 0 ? Infinity : count;
    return index + 2;
  }
  if (request.is(index, 'group') && left > 1) {
    if (!isGroup) return new Refusal(noGroupInRead);
    into.group = index + 1;
    return index + 3;
  }
  if (!request.is(index, 'noack')) return new Refusal(errors.syntax);
  if (!isGroup) return new Refusal(noAckInRead);
  into.isNoAck = true;
  return index + 1;
}

function parseFrom(request: Request, index: number, isGroup: boolean): ReadFrom | Refusal {
  if (request.is(index, '$')) return isGroup ? new Refusal(noDollarInGroup) : '$';
  if (request.is(index, '>')) return isGroup ? '>' : new Refusal(onlyInGroup);
  return strictIdOf(request, index) ?? new Refusal(invalidId);
}

/** `parse` of both commands. */
export function parseRead(request: Request, isGroup: boolean): ReadInput | Refusal {
  const options: Options = { count: Infinity, blockMs: undefined, group: undefined, isNoAck: false };
  let index = 1;
  while (index < request.count && !(request.is(index, 'streams') && index + 1 < request.count)) {
    const next = parseOption(request, index, isGroup, options);
    if (next instanceof Refusal) return next;
    index = next;
  }
  if (index >= request.count) return new Refusal(errors.syntax);
  const firstKey = index + 1;
  const keys = (request.count - firstKey) / 2;
  if (!Number.isInteger(keys)) {
    const name = isGroup ? 'xreadgroup' : 'xread';
    const id = isGroup ? '>' : '$';
    return new Refusal(
      `ERR Unbalanced '${name}' list of streams: for each stream key an ID or '${id}' must be specified.`,
    );
  }
  if (isGroup && options.group === undefined) return new Refusal('ERR Missing GROUP option for XREADGROUP');
  const from: ReadFrom[] = [];
  const isMsAlone: boolean[] = [];
  for (let index = firstKey + keys; index < request.count; index++) {
    const parsed = parseFrom(request, index, isGroup);
    if (parsed instanceof Refusal) return parsed;
    from.push(parsed);
    isMsAlone.push(!request.bytes(index).includes(45));
  }
  return { request, firstKey, from, isMsAlone, ...options };
}

/** Indexes of the keys, found without reading anything else; none where the arguments cannot be parsed. */
export function readKeys(request: Request): readonly number[] {
  let index = 1;
  while (index < request.count && !request.is(index, 'streams')) {
    if (request.is(index, 'group')) index += 3;
    else if (request.is(index, 'block') || request.is(index, 'count')) index += 2;
    else if (request.is(index, 'noack')) index++;
    else return [];
  }
  const count = (request.count - index - 1) / 2;
  if (!Number.isInteger(count) || count < 1) return [];
  return Array.from({ length: count }, (_, i) => index + 1 + i);
}

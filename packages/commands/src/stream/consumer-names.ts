/** Groups and consumers that a command names: finding them, and the refusals when there are none. */
import type { Span, StreamConsumer, StreamGroup, UserKey } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import type { Call } from '../command.ts';
import { keyOf, spanOfArgument } from '../data/arguments.ts';
import { openCollection } from '../data/open-collection.ts';
import { notify } from '../events.ts';
import { textOf, type StreamTypes } from './stream-types.ts';

/** As Redis says it of commands on pending entries. */
export function noSuchGroup(key: Span, group: Span): string {
  return `NOGROUP No such key '${textOf(key)}' or consumer group '${textOf(group)}'`;
}

/** A key, and its group open. */
export interface OpenGroup {
  readonly key: UserKey;
  readonly group: StreamGroup;
}

/**
 * Opens the stream that argument 1 names and finds the group that argument 2 names, writing the error line otherwise.
 * @returns undefined when an error was written.
 */
export function openGroup(
  { streams, groups }: StreamTypes,
  call: Call,
  request: Request,
  reply: ReplyWriter,
): OpenGroup | undefined {
  const key = keyOf(call, request, 1);
  const opened = openCollection(streams, key, call.nowMs, reply);
  if (opened === undefined) return undefined;
  const name = spanOfArgument(request, 2);
  const group = opened === 'found' ? groups.find(name) : undefined;
  if (group === undefined) reply.error(noSuchGroup(key, name));
  return group === undefined ? undefined : { key, group };
}

/** The consumer of this name, made if there is none: Redis makes them wherever they are named. Neither is put yet. */
export function consumerOf({ groups }: StreamTypes, call: Call, { key, group }: OpenGroup, name: Span): StreamConsumer {
  const found = groups.findConsumer(group, name);
  if (found !== undefined) {
    found.seenMs = call.nowMs;
    return found;
  }
  group.consumers++;
  notify(call, 't', 'xgroup-createconsumer', key);
  return { name: Buffer.from(name.buffer.subarray(name.start, name.end)), pending: 0, seenMs: call.nowMs, activeMs: 0 };
}

/** Consumers other than the one that asks whose entries go to it: each is read once, counted down and put at the end. */
export class FormerOwners {
  readonly #types: StreamTypes;
  readonly #group: StreamGroup;
  readonly #byName = new Map<string, StreamConsumer>();

  constructor(types: StreamTypes, group: StreamGroup) {
    this.#types = types;
    this.#group = group;
  }

  /** One pending entry less for the consumer of this name, which may be `current`. */
  release(name: Buffer, current?: StreamConsumer): void {
    const owner = current !== undefined && name.equals(current.name) ? current : this.#find(name);
    if (owner !== undefined) owner.pending = Math.max(0, owner.pending - 1);
  }

  #find(name: Buffer): StreamConsumer | undefined {
    const text = name.toString('latin1');
    const known = this.#byName.get(text);
    if (known !== undefined) return known;
    const found = this.#types.groups.findConsumer(this.#group, { buffer: name, start: 0, end: name.length });
    if (found !== undefined) this.#byName.set(text, found);
    return found;
  }

  put(): void {
    for (const consumer of this.#byName.values()) this.#types.groups.putConsumer(this.#group, consumer);
  }
}

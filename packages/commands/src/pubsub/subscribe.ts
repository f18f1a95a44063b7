/** SUBSCRIBE, PSUBSCRIBE, SSUBSCRIBE and their ends. */
import type { Request } from '@holdfast/resp';
import { slotOf } from '@holdfast/topology';
import { define, noKeys, type CommandDefinition, type CommandFlag, type KeySpec } from '../command.ts';
import { itself } from '../data/arguments.ts';
import { confirm } from './confirmation.ts';
import type { PubSubPort, SubscriptionKind } from './port.ts';

/**
 * Kvrocks' flags, with one exception: inside MULTI these commands are allowed, as in Redis. Nothing here is `stale` or
 * `loading`: a replica that has lost its master hears no messages, and whoever subscribes there should know it.
 */
const flags: readonly CommandFlag[] = ['readonly', 'pubsub', 'no-script'];

const allChannels: KeySpec = { first: 1, last: -1, step: 1 };
/** The first channel decides where the command belongs; that the others lie in its slot is its own affair. */
const firstChannel: readonly number[] = [1];

/** Kvrocks' text, which its suite asserts with its `ERR`; Redis has none since its router is asked first. */
const crossSlot = "ERR CROSSSLOT Keys in request don't hash to the same slot";

interface Shape {
  readonly name: string;
  readonly kind: SubscriptionKind;
  readonly since: string;
  readonly summary: string;
}

function subscribe(port: PubSubPort, { name, kind, since, summary }: Shape): CommandDefinition {
  return define<Request>({
    name,
    arity: -2,
    flags,
    keys: kind === 'shard' ? allChannels : noKeys,
    ...(kind === 'shard' ? { keyIndexes: (): readonly number[] => firstChannel } : {}),
    group: 'pubsub',
    since,
    complexity: 'O(N) where N is the number of channels.',
    summary,
    parse: itself,
    run(call, request, reply) {
      if (kind === 'shard' && port.isCluster && !isOneSlot(request)) return reply.error(crossSlot);
      for (let index = 1; index < request.count; index++) {
        const channel = request.latin1(index);
        port.subscribe(call.session, kind, channel);
        confirm(port, call, { verb: name, kind, name: channel }, reply);
      }
    },
  });
}

function isOneSlot(request: Request): boolean {
  const slot = slotOf(request.buffer, request.start(1), request.end(1));
  for (let index = 2; index < request.count; index++) {
    if (slotOf(request.buffer, request.start(index), request.end(index)) !== slot) return false;
  }
  return true;
}

/** Unsubscribing needs no routing: it ends what was begun here, whoever serves the slot by now. */
function unsubscribe(port: PubSubPort, { name, kind, since, summary }: Shape): CommandDefinition {
  return define<Request>({
    name,
    arity: -1,
    flags,
    keys: noKeys,
    group: 'pubsub',
    since,
    complexity: 'O(N) where N is the number of channels.',
    summary,
    parse: itself,
    run(call, request, reply) {
      const named = Array.from({ length: request.count - 1 }, (_, i) => request.latin1(i + 1));
      const channels = named.length > 0 ? named : port.subscriptionsOf(call.session, kind);
      for (const channel of channels) {
        port.unsubscribe(call.session, kind, channel);
        confirm(port, call, { verb: name, kind, name: channel }, reply);
      }
      if (channels.length === 0) confirm(port, call, { verb: name, kind, name: undefined }, reply);
    },
  });
}

export function subscribeCommands(port: PubSubPort): CommandDefinition[] {
  return [
    subscribe(port, {
      name: 'subscribe',
      kind: 'channel',
      since: '2.0.0',
      summary: 'Subscribes this connection to channels by their names.',
    }),
    subscribe(port, {
      name: 'psubscribe',
      kind: 'pattern',
      since: '2.0.0',
      summary: 'Subscribes this connection to all channels whose names match glob patterns.',
    }),
    subscribe(port, {
      name: 'ssubscribe',
      kind: 'shard',
      since: '7.0.0',
      summary: 'Subscribes this connection to shard channels; in cluster mode they lie in one slot.',
    }),
    unsubscribe(port, {
      name: 'unsubscribe',
      kind: 'channel',
      since: '2.0.0',
      summary: 'Ends subscriptions to channels, all of them when none is named.',
    }),
    unsubscribe(port, {
      name: 'punsubscribe',
      kind: 'pattern',
      since: '2.0.0',
      summary: 'Ends subscriptions to patterns, all of them when none is named.',
    }),
    unsubscribe(port, {
      name: 'sunsubscribe',
      kind: 'shard',
      since: '7.0.0',
      summary: 'Ends subscriptions to shard channels, all of them when none is named.',
    }),
  ];
}

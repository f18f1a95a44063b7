/**
 * PUBLISH, MPUBLISH, SPUBLISH. On a master a message is a record of the log, by which the subscribers of its replicas get
 * it; so there the command is a write, whatever COMMAND says of it (Kvrocks calls it read-only everywhere). It has to pass
 * the lease, the in-sync set and the checks of a full disk as any other write: a deposed master, or one without a lease,
 * must not add records to a log that nobody believes, and a message it accepted would not be heard by anybody who moved on.
 * On a replica it writes nothing and reaches the subscribers of this node alone.
 */
import type { Request } from '@holdfast/resp';
import { define, firstKey, noKeys, type CommandDefinition, type CommandFlag } from '../command.ts';
import { itself, spanOfArgument } from '../data/arguments.ts';
import type { PubSubPort } from './port.ts';

const shownFlags: readonly CommandFlag[] = ['readonly', 'pubsub', 'fast'];
const writeFlags: readonly CommandFlag[] = ['write', 'pubsub', 'fast'];

interface Shape {
  readonly name: string;
  readonly arity: number;
  readonly kind: 'channel' | 'shard';
  readonly since: string;
  readonly summary: string;
}

function publish(port: PubSubPort, { name, arity, kind, since, summary }: Shape): CommandDefinition {
  return define<Request>({
    name,
    arity,
    flags: shownFlags,
    flagsOf: () => (port.writesMessages ? writeFlags : shownFlags),
    keys: kind === 'shard' ? firstKey : noKeys,
    group: 'pubsub',
    since,
    complexity: 'O(N+M) where N is the number of subscribers of the channel and M the number of patterns.',
    summary,
    parse: itself,
    run(_call, request, reply) {
      const channel = spanOfArgument(request, 1);
      let reached = 0;
      for (let index = 2; index < request.count; index++) {
        reached += port.publish(kind, channel, spanOfArgument(request, index));
      }
      reply.integer(reached);
    },
  });
}

export function publishCommands(port: PubSubPort): CommandDefinition[] {
  return [
    publish(port, {
      name: 'publish',
      arity: 3,
      kind: 'channel',
      since: '2.0.0',
      summary: 'Sends a message to a channel and answers how many subscriptions of this node it reached.',
    }),
    publish(port, {
      name: 'mpublish',
      arity: -3,
      kind: 'channel',
      since: 'Kvrocks 2.10.0',
      summary: 'Sends several messages to a channel and answers how many subscriptions of this node they reached.',
    }),
    publish(port, {
      name: 'spublish',
      arity: 3,
      kind: 'shard',
      since: '7.0.0',
      summary: 'Sends a message to a shard channel and answers how many subscriptions of this node it reached.',
    }),
  ];
}

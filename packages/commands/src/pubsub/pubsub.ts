/** PUBSUB: what channels and patterns there are on this node, and how many listen. */
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, type CommandDefinition } from '../command.ts';
import { commandWithRows, noArguments, subCommand, type SubCommand } from '../sub-command.ts';
import type { PubSubPort } from './port.ts';

type ChannelKind = 'channel' | 'shard';

function channelsRow(port: PubSubPort, name: string, kind: ChannelKind): SubCommand {
  return subCommand<Buffer | undefined>({
    name,
    arity: -2,
    usage: '[<pattern>]',
    summary: `Returns the ${kind === 'shard' ? 'shard channels' : 'channels'} that have subscribers.`,
    parse: parsePattern,
    run: (_call, pattern, reply) => writeNames(port.channels(kind, pattern), reply),
  });
}

/** An empty pattern means every channel, as Kvrocks' suite asks; in Redis nothing matches it. */
function parsePattern(request: Request): Buffer | undefined | Refusal {
  if (request.count > 3) return tooMany(request);
  return request.count === 3 && request.size(2) > 0 ? request.bytes(2) : undefined;
}

/** Redis' text. */
function tooMany(request: Request): Refusal {
  const name = request.latin1(1).slice(0, 128);
  return new Refusal(`ERR unknown subcommand or wrong number of arguments for '${name}'. Try PUBSUB HELP.`);
}

function writeNames(names: readonly string[], reply: ReplyWriter): void {
  reply.array(names.length);
  for (const name of names) reply.bulkLatin1(name);
}

function numSubRow(port: PubSubPort, name: string, kind: ChannelKind): SubCommand {
  return subCommand<string[]>({
    name,
    arity: -2,
    usage: '[<channel> ...]',
    summary: `Returns the number of subscribers of ${kind === 'shard' ? 'shard channels' : 'channels'}, patterns not counted.`,
    parse: (request) => Array.from({ length: request.count - 2 }, (_, i) => request.latin1(i + 2)),
    run: (_call, channels, reply) => {
      reply.array(2 * channels.length);
      for (const channel of channels) {
        reply.bulkLatin1(channel);
        reply.integer(port.subscriberCount(kind, channel));
      }
    },
  });
}

export function pubSubCommand(port: PubSubPort): CommandDefinition {
  return define(
    commandWithRows({
      name: 'pubsub',
      flags: ['readonly', 'pubsub', 'no-script'],
      group: 'pubsub',
      since: '2.8.0',
      summary: 'Channels, patterns and their subscribers on this node.',
      rows: [
        channelsRow(port, 'channels', 'channel'),
        subCommand<null>({
          name: 'numpat',
          arity: 2,
          usage: '',
          summary: 'Returns the number of different patterns that are subscribed to.',
          parse: noArguments,
          run: (_call, _input, reply) => reply.integer(port.patternCount),
        }),
        numSubRow(port, 'numsub', 'channel'),
        channelsRow(port, 'shardchannels', 'shard'),
        numSubRow(port, 'shardnumsub', 'shard'),
      ],
    }),
  );
}

/** CLIENT LIST and CLIENT INFO: one line per connection, Redis' fields with Kvrocks' `namespace`. */
import type { ClientFacts, SubscriptionCounts } from './port.ts';

/**
 * One line without its end. Fields of Redis that count parts of its own buffers are 0 here, `tot-mem` has all together; `fd` is
 * there for those that look for Kvrocks' line, and `obuf` is Kvrocks' name of `omem`.
 */
export function clientLine(client: ClientFacts, subscribed: SubscriptionCounts, nowMs: number): string {
  const fields: readonly (readonly [string, string | number])[] = [
    ['id', client.id],
    ['addr', client.peer],
    ['laddr', client.local],
    ['fd', -1],
    ['name', client.name],
    ['age', seconds(nowMs - client.createdAtMs)],
    ['idle', seconds(nowMs - client.lastCommandAtMs)],
    ['flags', flagsOf(client)],
    ['namespace', client.namespace.name],
    ['db', 0],
    ['sub', subscribed.channels],
    ['psub', subscribed.patterns],
    ['ssub', subscribed.shardChannels],
    ['multi', client.queued === undefined ? -1 : client.queued.length],
    ['qbuf', client.inputBytes],
    ['qbuf-free', 0],
    ['argv-mem', 0],
    ['multi-mem', 0],
    ['obl', 0],
    ['oll', 0],
    ['obuf', client.outputBytes],
    ['omem', client.outputBytes],
    ['tot-mem', client.memoryBytes],
    ['events', 'r'],
    ['cmd', client.lastCommand === '' ? 'NULL' : client.lastCommand],
    ['user', 'default'],
    ['redir', -1],
    ['resp', client.protocol],
    ['lib-name', client.libraryName],
    ['lib-ver', client.libraryVersion],
  ];
  return fields.map(([name, value]) => `${name}=${value}`).join(' ');
}

function flagsOf(client: ClientFacts): string {
  let flags = '';
  if (client.monitoring) flags += 'O';
  if (client.queued !== undefined) flags += 'x';
  if (client.subscriptions > 0) flags += 'P';
  if (client.blocked) flags += 'b';
  if (client.readonlyMode) flags += 'r';
  if (client.noEvict) flags += 'e';
  return flags === '' ? 'N' : flags;
}

function seconds(ms: number): number {
  return Math.max(0, Math.floor(ms / 1000));
}

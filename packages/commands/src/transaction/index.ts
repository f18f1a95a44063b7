/**
 * MULTI EXEC DISCARD WATCH UNWATCH. Queueing is the dispatcher's, running the queue the port's; what is left is who may
 * be called when.
 *
 * UNWATCH is queued inside MULTI, as in Redis: run at once there it would make EXEC forget a conflict.
 */
import type { Request } from '@holdfast/resp';
import { define, noKeys, type CommandDefinition, type CommandFlag } from '../command.ts';
import type { TransactionPort } from './port.ts';

/** What every command of this family has in common. */
function base(name: string, arity: number, flags: readonly CommandFlag[], since: string) {
  return { name, arity, flags, keys: noKeys, group: 'transactions', since } as const;
}

function multi(): CommandDefinition {
  return define<null>({
    ...base('multi', 1, ['transaction', 'fast', 'loading', 'stale', 'no-script'], '1.2.0'),
    complexity: 'O(1)',
    summary: 'Begins to queue commands for EXEC.',
    parse: () => null,
    run({ session }, _input, reply): void {
      if (session.queued !== undefined) {
        reply.error('ERR MULTI calls can not be nested');
        return;
      }
      session.queued = [];
      session.queueRefused = false;
      reply.ok();
    },
  });
}

function exec(port: TransactionPort): CommandDefinition {
  return define<null>({
    ...base('exec', 1, ['transaction', 'slow', 'loading', 'stale', 'no-script'], '1.2.0'),
    complexity: 'That of the queued commands',
    summary: 'Runs the queued commands as one atomic write.',
    parse: () => null,
    run({ session }, _input, reply): void {
      if (session.queued === undefined) reply.error('ERR EXEC without MULTI');
      else port.execute(session, reply);
    },
  });
}

function discard(port: TransactionPort): CommandDefinition {
  return define<null>({
    ...base('discard', 1, ['transaction', 'fast', 'loading', 'stale', 'no-script'], '2.0.0'),
    complexity: 'O(N) in the number of queued commands',
    summary: 'Drops the queued commands and stops watching.',
    parse: () => null,
    run({ session }, _input, reply): void {
      if (session.queued === undefined) {
        reply.error('ERR DISCARD without MULTI');
        return;
      }
      session.queued = undefined;
      session.queueRefused = false;
      port.unwatch(session);
      reply.ok();
    },
  });
}

function watch(port: TransactionPort): CommandDefinition {
  return define<Request>({
    ...base('watch', -2, ['transaction', 'fast', 'loading', 'stale', 'no-script'], '2.2.0'),
    keys: { first: 1, last: -1, step: 1 },
    complexity: 'O(1) per key',
    summary: 'Makes EXEC do nothing when one of the keys is written before it.',
    parse: (request) => request,
    run({ session }, request, reply): void {
      if (session.queued !== undefined) {
        reply.error('ERR WATCH inside MULTI is not allowed');
        return;
      }
      for (let i = 1; i < request.count; i++) port.watch(session, request.bytes(i));
      reply.ok();
    },
  });
}

function unwatch(port: TransactionPort): CommandDefinition {
  return define<null>({
    ...base('unwatch', 1, ['fast', 'loading', 'stale', 'no-script'], '2.2.0'),
    complexity: 'O(1) per watched key',
    summary: 'Stops watching every key.',
    parse: () => null,
    run({ session }, _input, reply): void {
      port.unwatch(session);
      reply.ok();
    },
  });
}

export function transactionCommands(port: TransactionPort): CommandDefinition[] {
  return [multi(), exec(port), discard(port), watch(port), unwatch(port)];
}

export type { TransactionPort } from './port.ts';

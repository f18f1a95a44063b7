/**
 * READONLY, READWRITE and ASKING: marks on the connection that slot routing reads. They are accepted outside cluster
 * mode too, as in Kvrocks. ASKING holds for the next command only; the dispatcher takes it back.
 */
import { noKeys, type CommandDefinition } from '../command.ts';
import type { Session } from '../session.ts';

function mark(name: string, summary: string, set: (session: Session) => void): CommandDefinition<undefined> {
  return {
    name,
    arity: 1,
    flags: ['cluster', 'fast', 'loading', 'stale'],
    keys: noKeys,
    group: 'cluster',
    since: '2.0.2',
    complexity: 'O(1)',
    summary,
    parse: () => undefined,
    run(call, _input, reply): void {
      set(call.session);
      reply.ok();
    },
  };
}

export const readonlyCommand: CommandDefinition<undefined> = mark(
  'readonly',
  'Lets a replica serve reads of this connection',
  (session) => (session.readonlyMode = true),
);

export const readwriteCommand: CommandDefinition<undefined> = mark(
  'readwrite',
  'Takes READONLY back',
  (session) => (session.readonlyMode = false),
);

export const askingCommand: CommandDefinition<undefined> = mark(
  'asking',
  'Lets the next command use a slot that is being imported',
  (session) => (session.asking = true),
);

/** What is done as a whole: a command, a transaction or a script; how it is sent and what it must be answered. */
import { choices, run } from './families.ts';
import type { Generator } from './generator.ts';
import type { Keyspace } from './keyspace.ts';
import { ok, throughLua, type Expected } from './reply.ts';

export interface Unit {
  readonly kind: 'command' | 'transaction' | 'script' | 'discarded';
  readonly commands: readonly (readonly string[])[];
  /** The key that dies soon after: nothing else may follow before it is dead for certain. */
  readonly fleeting?: boolean;
}

/** Runs two commands, the second one also when the first was refused. */
const script =
  'local n, a, b = tonumber(ARGV[1]), {}, {} ' +
  'for i = 2, #ARGV do if i - 1 <= n then a[#a + 1] = ARGV[i] else b[#b + 1] = ARGV[i] end end ' +
  'return {redis.pcall(unpack(a)), redis.pcall(unpack(b))}';

function keysOf(command: readonly string[]): string[] {
  return command.filter((word) => /^\{[abc]\}[a-z]+2?$/.test(word));
}

export function requestsOf({ kind, commands }: Unit): readonly (readonly string[])[] {
  if (kind === 'command') return commands;
  if (kind === 'transaction') return [['MULTI'], ...commands, ['EXEC']];
  if (kind === 'discarded') return [['MULTI'], ...commands, ['DISCARD']];
  const names = [...new Set(commands.flatMap(keysOf))];
  const [first = [], second = []] = commands;
  return [['EVAL', script, String(names.length), ...names, String(first.length), ...first, ...second]];
}

/** Runs a unit on the model. @returns what each request must be answered. */
export function runUnit(keys: Keyspace, { kind, commands }: Unit): Expected[] {
  const queued = commands.map((): Expected => ({ status: 'QUEUED' }));
  if (kind === 'discarded') return [ok, ...queued, ok];
  const replies = commands.map((command) => run(keys, command));
  if (kind === 'command') return replies;
  if (kind === 'transaction') return [ok, ...queued, replies];
  return [replies.map(throughLua)];
}

function randomCommand(g: Generator): string[] {
  const from = g.pick(choices);
  let at = g.below(from.reduce((sum, [weight]) => sum + weight, 0));
  for (const [weight, make] of from) {
    at -= weight;
    if (at < 0) return make(g);
  }
  throw new Error('no command was chosen');
}

function fleeting(g: Generator): string[] {
  const ms = g.int(1, 30);
  return g.pick([
    ['PEXPIRE', g.anyKey(), ms],
    ['PEXPIRE', g.anyKey(), ms],
    ['SET', g.key('string'), g.text(), 'PX', ms],
    ['GETEX', g.key('string'), 'PX', ms],
  ]);
}

export function randomUnit(g: Generator): Unit {
  g.nextTag();
  const wasExact = g.exactOnly;
  const kind = g.pick([
    'command',
    'command',
    'command',
    'command',
    'command',
    'command',
    'transaction',
    'script',
  ] as const);
  if (kind === 'command') {
    if (g.chance(100)) return { kind, commands: [fleeting(g)], fleeting: true };
    return { kind, commands: [g.chance(1500) ? [g.pick(['FLUSHDB', 'FLUSHALL'])] : randomCommand(g)] };
  }
  g.exactOnly = true;
  const count = kind === 'script' ? 2 : 1 + g.below(5);
  const commands = Array.from({ length: count }, () => randomCommand(g));
  g.exactOnly = wasExact;
  return { kind: kind === 'transaction' && g.chance(12) ? 'discarded' : kind, commands };
}

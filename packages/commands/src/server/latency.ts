/**
 * LATENCY: how long commands take (HISTOGRAM), and spikes: what took at least `latency-monitor-threshold`, second by second
 * and event by event, as Redis 7.2 tells them. Doctor's and graph's words are our own.
 */
import type { ReplyWriter, Request } from '@holdfast/resp';
import { define, type CommandDefinition } from '../command.ts';
import { commandWithRows, noArguments, subCommand, type SubCommand } from '../sub-command.ts';

/** How often a command took how long. */
export interface LatencyFacts {
  readonly name: string;
  readonly calls: number;
  /** Upper ends of powers of two in us with the calls up to each, where their number rises. */
  readonly cumulative: readonly (readonly [upToUs: number, calls: number])[];
}

/** The worst of one second. */
export interface LatencySpike {
  /** Unix time in seconds. */
  readonly atSeconds: number;
  readonly durationMs: number;
}

/** What is remembered of one event, `command` for example. */
export interface SpikeFacts {
  readonly event: string;
  /** Oldest first; at least one. */
  readonly spikes: readonly LatencySpike[];
  /** The worst since the event was forgotten last. */
  readonly worstMs: number;
}

/** Spikes by event. */
export interface SpikeLog {
  events(): readonly SpikeFacts[];
  /** Forgets some events, or all. @returns how many of them there were. */
  forget(names: readonly string[] | undefined): number;
}

export interface LatencyPort {
  /** Histograms of some commands, or of every one that was called; names of none are left out. */
  latencies(names: readonly string[] | undefined): readonly LatencyFacts[];
  readonly spikes: SpikeLog;
  /** From how many ms on something is a spike; 0: nothing is. */
  spikeFromMs(): number;
}

/** Columns and lines of GRAPH. */
const graphColumns = 80;
const graphLines = 4;

function wordsFrom(request: Request): string[] {
  return Array.from({ length: request.count - 2 }, (_, i) => request.latin1(i + 2));
}

function histogramRow(port: LatencyPort): SubCommand {
  return subCommand<readonly string[] | undefined>({
    name: 'histogram',
    arity: -2,
    usage: '[<command> ...]',
    summary: 'Returns how often commands took how long: calls up to each power of two in microseconds.',
    parse: (request) => (request.count === 2 ? undefined : wordsFrom(request).map((name) => name.toLowerCase())),
    run: (_call, names, reply) => {
      const found = port.latencies(names);
      reply.map(found.length);
      for (const facts of found) writeHistogram(facts, reply);
    },
  });
}

function writeHistogram({ name, calls, cumulative }: LatencyFacts, reply: ReplyWriter): void {
  reply.bulkText(name);
  reply.map(2);
  reply.bulkText('calls');
  reply.integer(calls);
  reply.bulkText('histogram_usec');
  reply.map(cumulative.length);
  for (const [upToUs, count] of cumulative) {
    reply.integer(upToUs);
    reply.integer(count);
  }
}

function lastOf({ spikes }: SpikeFacts): LatencySpike {
  return spikes[spikes.length - 1] as LatencySpike;
}

function spikeRows({ spikes }: LatencyPort): SubCommand[] {
  const eventNamed = (name: string): SpikeFacts | undefined => spikes.events().find(({ event }) => event === name);
  return [
    subCommand<null>({
      name: 'latest',
      arity: 2,
      usage: '',
      summary: 'Returns of each event the time, the duration in ms and the worst of its latest spike.',
      parse: noArguments,
      run: (_call, _input, reply) => {
        const events = spikes.events();
        reply.array(events.length);
        for (const facts of events) {
          const { atSeconds, durationMs } = lastOf(facts);
          reply.array(4);
          reply.bulkText(facts.event);
          for (const number of [atSeconds, durationMs, facts.worstMs]) reply.integer(number);
        }
      },
    }),
    subCommand<string>({
      name: 'history',
      arity: 3,
      usage: '<event>',
      summary: 'Returns times and durations in ms of the spikes of an event, the worst of each second, up to 160.',
      parse: (request) => request.latin1(2),
      run: (_call, name, reply) => {
        const found = eventNamed(name)?.spikes ?? [];
        reply.array(found.length);
        for (const { atSeconds, durationMs } of found) {
          reply.array(2);
          reply.integer(atSeconds);
          reply.integer(durationMs);
        }
      },
    }),
    subCommand<readonly string[] | undefined>({
      name: 'reset',
      arity: -2,
      usage: '[<event> ...]',
      summary: 'Forgets the spikes of some events, or all; returns of how many events.',
      parse: (request) => (request.count === 2 ? undefined : wordsFrom(request)),
      run: (_call, names, reply) => reply.integer(spikes.forget(names)),
    }),
    subCommand<string>({
      name: 'graph',
      arity: 3,
      usage: '<event>',
      summary: 'Returns a drawing of the spikes of an event.',
      parse: (request) => request.latin1(2),
      run: ({ nowMs }, name, reply) => {
        const facts = eventNamed(name);
        if (facts === undefined) reply.error(`ERR No samples available for event '${name.slice(0, 64)}'`);
        else reply.verbatim(graphOf(facts, nowMs));
      },
    }),
  ];
}

/** One column a spike, the newest on the right. */
function graphOf({ event, spikes, worstMs }: SpikeFacts, nowMs: number): string {
  const shown = spikes.slice(-graphColumns);
  const durations = shown.map(({ durationMs }) => durationMs);
  const [high, low] = [Math.max(...durations), Math.min(...durations)];
  const heights = durations.map((ms) =>
    high === low ? graphLines : 1 + Math.round(((ms - low) / (high - low)) * (graphLines - 1)),
  );
  const lines = Array.from({ length: graphLines }, (_, i) =>
    heights.map((height) => (height >= graphLines - i ? '#' : ' ')).join(''),
  );
  const ages = [shown[0], shown[shown.length - 1]].map(
    (spike) => `${Math.max(0, Math.floor(nowMs / 1000) - (spike?.atSeconds ?? 0))} s`,
  );
  return [
    `${event} - high ${high} ms, low ${low} ms (all time high ${worstMs} ms)`,
    '-'.repeat(graphColumns),
    ...lines.map((line) => line.trimEnd()),
    `from ${ages[0]} ago on the left to ${ages[1]} ago on the right`,
    '',
  ].join('\n');
}

/** What to look at, by event. */
const advice: Readonly<Record<string, string>> = {
  command: 'SLOWLOG GET shows which commands took long.',
  'fast-command':
    'Commands that are quick by themselves waited for the disk or the processor: look at the load of the machine.',
  commit:
    'Writes waited for the disk: look at its load, at INFO rocksdb (stalls) and at the size of what is written at once.',
};

function doctorRow(port: LatencyPort): SubCommand {
  return subCommand<null>({
    name: 'doctor',
    arity: 2,
    usage: '',
    summary: 'Returns a text about latency spikes.',
    parse: noArguments,
    run: (_call, _input, reply) => reply.verbatim(doctorOf(port.spikes.events(), port.spikeFromMs())),
  });
}

function doctorOf(events: readonly SpikeFacts[], fromMs: number): string {
  const head =
    fromMs === 0
      ? 'Latency spikes are not watched for: CONFIG SET latency-monitor-threshold <ms> begins that.'
      : `What takes ${fromMs} ms or longer is a latency spike.`;
  if (events.length === 0) return `${head} None is remembered.\n`;
  const rows = events.map((facts) => {
    const { event, spikes, worstMs } = facts;
    const mean = Math.round(spikes.reduce((sum, { durationMs }) => sum + durationMs, 0) / spikes.length);
    const shown = `${event}: ${spikes.length} seconds with spikes, ${mean} ms on average, ${worstMs} ms at worst.`;
    return [shown, advice[event] ?? ''].join(' ').trimEnd();
  });
  return `${[head, ...rows].join('\n')}\n`;
}

export function latencyCommand(port: LatencyPort): CommandDefinition {
  return define(
    commandWithRows({
      name: 'latency',
      flags: ['admin', 'loading', 'stale', 'no-script'],
      group: 'server',
      since: '2.8.13',
      summary: 'How long commands take, and what took too long.',
      rows: [histogramRow(port), ...spikeRows(port), doctorRow(port)],
    }),
  );
}

/** What watching commands is given of the node, and which directives change it. */
import type { CommandEntry } from './execution/command-entry.ts';
import { directiveOf, findDirective } from './config/directives.ts';
import type { ClientConnection } from './net/client-connection.ts';
import type { Node } from './node.ts';
import { Observation, type ObservationSettings } from './observation/observation.ts';

/** Whether a directive's value is a secret. */
function isSecretDirective(written: string): boolean {
  const name = findDirective(written);
  const directive = name === undefined ? undefined : directiveOf(name);
  return directive?.type === 'text' && directive.secret === true;
}

export function newObservation(node: Node): Observation {
  const { logger, random, clock } = node.env;
  return new Observation({
    settings: settings(node),
    random,
    profiler: node.env.rim.profiler,
    secrets: isSecretDirective,
    entries: () => node.dispatcher.entries,
    named: (name) => entriesNamed(node, name),
    observeFrom: (us): void => {
      node.dispatcher.runs.observedFromUs = us;
    },
    observeBegins: (on): void => {
      node.dispatcher.runs.observesBegins = on;
    },
    observeCommits: (on): void => {
      const told = (durationMs: number): void => node.observation.committed(durationMs, clock.wallMs() - durationMs);
      node.loop.commitObserver = on ? told : undefined;
    },
    sendLine: (to, line) => node.pubsub.outbox.add(to as ClientConnection, line),
    logSlow: (level, { args, durationUs, peer }): void => {
      const log = level === 'info' ? logger.info : level === 'warning' ? logger.warn : logger.error;
      const command = args.map((arg) => arg.toString('latin1')).join(' ');
      log.call(logger, 'a slow command', { command, durationUs: Math.round(durationUs), peer });
    },
  });
}

function entriesNamed({ commands, dispatcher }: Node, name: string): readonly CommandEntry[] {
  const [command = '', sub] = name.split('|');
  const definition = commands.get(command);
  const entry = definition === undefined ? undefined : dispatcher.entries.of(definition);
  if (definition === undefined || entry === undefined) return [];
  const below = entry.subEntries ?? [];
  return sub === undefined ? [entry, ...below] : below.filter((_one, i) => definition.subCommands?.[i]?.name === sub);
}

/** Begins to watch; to be called when the dispatcher is there. */
export function startObservation(node: Node): void {
  const { config } = node.env;
  const { observation } = node;
  const { runs } = node.dispatcher;
  runs.observer = observation;
  observation.settingsChanged();
  for (const name of [
    'slowlog-log-slower-than',
    'slowlog-max-len',
    'latency-monitor-threshold',
    'profiling-sample-ratio',
    'profiling-sample-record-max-len',
    'profiling-sample-record-threshold-ms',
    'profiling-sample-commands',
  ] as const)
    config.onChange(name, () => observation.settingsChanged());
  const track = (on: boolean): void => {
    runs.countsLatency = on;
  };
  track(config.get('latency-tracking'));
  config.onChange('latency-tracking', track);
  const limit = (bytes: number): void => {
    runs.writtenBytesMax = bytes;
  };
  limit(config.get('rocksdb.write_options.write_batch_max_bytes'));
  config.onChange('rocksdb.write_options.write_batch_max_bytes', limit);
}

function settings({ env: { config } }: Node): ObservationSettings {
  return {
    get slowerThanUs() {
      return config.get('slowlog-log-slower-than');
    },
    get slowEntriesMax() {
      return config.get('slowlog-max-len');
    },
    get slowLogLevel() {
      return config.get('slowlog-dump-logfile-level');
    },
    get sampleRatio() {
      return config.get('profiling-sample-ratio');
    },
    get sampleEntriesMax() {
      return config.get('profiling-sample-record-max-len');
    },
    get sampleThresholdMs() {
      return config.get('profiling-sample-record-threshold-ms');
    },
    get spikeFromMs() {
      return config.get('latency-monitor-threshold');
    },
    get sampledCommands() {
      return config.get('profiling-sample-commands');
    },
  };
}

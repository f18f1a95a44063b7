/**
 * Who watches executed commands: the slow log, the samples of PERFLOG and MONITOR. Told only of commands that took long
 * enough for one of them, so that a quick command costs a comparison while nobody looks.
 */
import { randomBelow, type Random } from '@holdfast/base';
import type { LatencyFacts, ObservationPort, SampledCommand, Session, SlowCommand } from '@holdfast/commands';
import type { CommandEntry } from '../execution/command-entry.ts';
import type { CommandObserver, ExecutedCommand } from '../execution/command-observer.ts';
import { Monitors, type Monitoring } from './monitors.ts';
import { NewestEntries } from './newest-entries.ts';
import { clippedArguments, type SecretDirectives } from './shown-arguments.ts';

/** Directives, read at each use. */
export interface ObservationSettings {
  /** us; -1 records none. */
  readonly slowerThanUs: number;
  readonly slowEntriesMax: number;
  readonly slowLogLevel: 'off' | 'info' | 'warning' | 'error';
  /** Per cent of commands sampled. */
  readonly sampleRatio: number;
  readonly sampleEntriesMax: number;
  readonly sampleThresholdMs: number;
  /** Commands sampled, separated by commas; `*` means all. */
  readonly sampledCommands: string;
}

export interface ObservationEnvironment {
  readonly settings: ObservationSettings;
  readonly random: Random;
  readonly secrets: SecretDirectives;
  /** Statistics by command. */
  entries(): Iterable<CommandEntry>;
  /** The command called by a name with its sub-commands, or the sub-command, `config|get`. */
  named(name: string): readonly CommandEntry[];
  /** From now on commands that took at least this many us are told of; Infinity: none. */
  observeFrom(us: number): void;
  /** Whether scripts are told of before they run. */
  observeScripts(on: boolean): void;
  /** Sends a line of MONITOR with the tick. */
  sendLine(to: Monitoring, line: Buffer): void;
  /** `slowlog-dump-logfile-level` */
  logSlow(level: 'info' | 'warning' | 'error', command: SlowCommand): void;
}

export class Observation implements CommandObserver, ObservationPort {
  readonly slow: NewestEntries<SlowCommand>;
  readonly sampled: NewestEntries<SampledCommand>;
  readonly monitors: Monitors;
  readonly #env: ObservationEnvironment;
  #sampledNames: ReadonlySet<string> | 'all' = new Set();

  constructor(env: ObservationEnvironment) {
    this.#env = env;
    this.slow = new NewestEntries(() => env.settings.slowEntriesMax);
    this.sampled = new NewestEntries(() => env.settings.sampleEntriesMax);
    this.monitors = new Monitors(env.secrets, (to, line) => env.sendLine(to, line));
  }

  /** A directive has changed, or who monitors. */
  settingsChanged(): void {
    const { settings } = this.#env;
    const names = settings.sampledCommands.split(',').map((name) => name.trim().toLowerCase());
    this.#sampledNames = names.includes('*') ? 'all' : new Set(names);
    this.slow.trim();
    this.sampled.trim();
    const sampleFromUs = settings.sampleRatio === 0 ? Infinity : settings.sampleThresholdMs * 1000;
    const slowFromUs = settings.slowerThanUs < 0 ? Infinity : settings.slowerThanUs;
    this.#env.observeScripts(this.monitors.count > 0);
    this.#env.observeFrom(this.monitors.count > 0 ? 0 : Math.min(sampleFromUs, slowFromUs));
  }

  scriptBegins(command: Parameters<CommandObserver['scriptBegins']>[0]): void {
    this.monitors.show(command);
  }

  executed(command: ExecutedCommand): void {
    if (this.monitors.count > 0 && command.entry.definition.group !== 'scripting') this.monitors.show(command);
    // What a script ran is part of the script's own time; what waits takes none.
    if (command.origin === 'script' || !command.isDone) return;
    const { slowerThanUs } = this.#env.settings;
    if (slowerThanUs >= 0 && command.durationUs >= slowerThanUs) this.#noteSlow(command);
    if (this.#isSampled(command)) this.#noteSample(command);
  }

  #noteSlow({ session, request, entry, durationUs, nowMs }: ExecutedCommand): void {
    const { name } = entry.definition;
    // What EXEC ran has entries of its own.
    if (name === 'exec') return;
    const { settings, secrets } = this.#env;
    const args = clippedArguments(name, request, secrets);
    this.slow.add((id) => {
      const { peer, name: clientName } = session;
      const slow = { id, beganAtMs: nowMs, durationUs, args, peer, clientName };
      if (settings.slowLogLevel !== 'off') this.#env.logSlow(settings.slowLogLevel, slow);
      return slow;
    });
  }

  #isSampled({ entry, durationUs }: ExecutedCommand): boolean {
    const { settings, random } = this.#env;
    if (settings.sampleRatio === 0 || durationUs < settings.sampleThresholdMs * 1000) return false;
    const names = this.#sampledNames;
    if (names !== 'all' && !names.has(entry.definition.name)) return false;
    return settings.sampleRatio >= 100 || randomBelow(random, 100) < settings.sampleRatio;
  }

  #noteSample({ entry, durationUs, nowMs }: ExecutedCommand): void {
    this.sampled.add((id) => ({ id, beganAtMs: nowMs, durationUs, name: entry.definition.name }));
  }

  latencies(names: readonly string[] | undefined): readonly LatencyFacts[] {
    const found = names === undefined ? [...this.#env.entries()] : names.flatMap((name) => this.#env.named(name));
    const seen = new Set(found.filter(({ latency }) => latency.calls > 0));
    return [...seen].map(({ definition, latency }) => ({
      name: definition.name,
      calls: latency.calls,
      cumulative: latency.cumulative(),
    }));
  }

  monitor(session: Session): void {
    this.monitors.add(session as Session & Monitoring);
    this.settingsChanged();
  }

  /** The connection has gone, or RESET was sent. */
  forget(connection: Monitoring): void {
    if (!connection.monitoring) return;
    this.monitors.remove(connection);
    this.settingsChanged();
  }
}

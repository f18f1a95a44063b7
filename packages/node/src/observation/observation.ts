/**
 * Who watches executed commands: the slow log, the samples of PERFLOG and MONITOR. Told only of commands that took long
 * enough for one of them, so that a quick command costs a comparison while nobody looks.
 */
import { randomBelow, type Random } from '@holdfast/base';
import type { LatencyFacts, ObservationPort, SampledCommand, Session, SlowCommand } from '@holdfast/commands';
import type { CommandEntry } from '../execution/command-entry.ts';
import type { CommandObserver, ExecutedCommand } from '../execution/command-observer.ts';
import { LatencySpikes, type LatencyEvent } from './latency-spikes.ts';
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
  /** What takes so long is a latency spike, in ms; 0: nothing is. */
  readonly spikeFromMs: number;
}

/** RocksDB's counters of this thread. */
export interface ThreadProfiler {
  begin(): void;
  /** Those that are not 0, as text. */
  end(): { readonly reads: string; readonly files: string };
}

export interface ObservationEnvironment {
  readonly settings: ObservationSettings;
  readonly random: Random;
  readonly profiler: ThreadProfiler;
  readonly secrets: SecretDirectives;
  /** Statistics by command. */
  entries(): Iterable<CommandEntry>;
  /** The command called by a name with its sub-commands, or the sub-command, `config|get`. */
  named(name: string): readonly CommandEntry[];
  /** From now on commands that took at least this many us are told of; Infinity: none. */
  observeFrom(us: number): void;
  /** Whether commands are told of before they run. */
  observeBegins(on: boolean): void;
  /** Whether `committed` is told of commits. */
  observeCommits(on: boolean): void;
  /** Sends a line of MONITOR with the tick. */
  sendLine(to: Monitoring, line: Buffer): void;
  /** `slowlog-dump-logfile-level` */
  logSlow(level: 'info' | 'warning' | 'error', command: SlowCommand): void;
}

export class Observation implements CommandObserver, ObservationPort {
  readonly slow: NewestEntries<SlowCommand>;
  readonly sampled: NewestEntries<SampledCommand>;
  readonly spikes: LatencySpikes = new LatencySpikes();
  readonly monitors: Monitors;
  readonly #env: ObservationEnvironment;
  #sampledNames: ReadonlySet<string> | 'all' = new Set();
  /** The command that is profiled. */
  #profiled: CommandEntry | undefined;

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
    const samples = settings.sampleRatio > 0 && (names.includes('*') || this.#namesSome());
    if (!samples) this.#endProfile();
    // The end of a profile is to be heard of, however short the command was.
    const sampleFromUs = samples ? 0 : Infinity;
    const slowFromUs = settings.slowerThanUs < 0 ? Infinity : settings.slowerThanUs;
    const spikesFromUs = settings.spikeFromMs === 0 ? Infinity : settings.spikeFromMs * 1000;
    this.#env.observeCommits(settings.spikeFromMs > 0);
    this.#env.observeBegins(samples || this.monitors.count > 0);
    this.#env.observeFrom(this.monitors.count > 0 ? 0 : Math.min(sampleFromUs, slowFromUs, spikesFromUs));
  }

  #namesSome(): boolean {
    const names = this.#sampledNames;
    return names !== 'all' && [...names].some((name) => name !== '');
  }

  /**
   * Shows a script before what it runs, and decides whether the command is sampled (PERFLOG), as what RocksDB does for it is
   * then counted.
   */
  begins(command: Parameters<CommandObserver['begins']>[0]): void {
    const { entry, origin } = command;
    if (entry.definition.group === 'scripting' && this.monitors.count > 0) this.monitors.show(command);
    if (origin === 'script') return;
    // Of one that has not ended, as it is run again or goes on later.
    this.#endProfile();
    if (!this.#isDrawn(entry)) return;
    this.#profiled = entry;
    this.#env.profiler.begin();
  }

  #endProfile(): ReturnType<ThreadProfiler['end']> | undefined {
    if (this.#profiled === undefined) return undefined;
    this.#profiled = undefined;
    return this.#env.profiler.end();
  }

  executed(command: ExecutedCommand): void {
    if (this.monitors.count > 0 && command.entry.definition.group !== 'scripting') this.monitors.show(command);
    // What a script ran is part of the script's own time; what waits takes none.
    if (command.origin === 'script' || !command.isDone) return;
    const { entry, durationUs, nowMs } = command;
    const isFast = entry.definition.flags.includes('fast');
    this.#noteSpike(isFast ? 'fast-command' : 'command', durationUs / 1000, nowMs);
    const { slowerThanUs } = this.#env.settings;
    if (slowerThanUs >= 0 && durationUs >= slowerThanUs) this.#noteSlow(command);
    if (entry === this.#profiled && command.origin !== 'wait') this.#noteSample(command);
  }

  /** A commit that wrote something has ended. */
  committed(durationMs: number, beganAtMs: number): void {
    this.#noteSpike('commit', durationMs, beganAtMs);
  }

  #noteSpike(event: LatencyEvent, durationMs: number, beganAtMs: number): void {
    const { spikeFromMs } = this.#env.settings;
    if (spikeFromMs > 0 && durationMs >= spikeFromMs)
      this.spikes.note(event, Math.floor(durationMs), Math.floor((beganAtMs + durationMs) / 1000));
  }

  spikeFromMs(): number {
    return this.#env.settings.spikeFromMs;
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

  /** Of EXEC what it ran is sampled. */
  #isDrawn({ definition }: CommandEntry): boolean {
    const { settings, random } = this.#env;
    const names = this.#sampledNames;
    if (settings.sampleRatio === 0 || definition.name === 'exec' || (names !== 'all' && !names.has(definition.name)))
      return false;
    return settings.sampleRatio >= 100 || randomBelow(random, 100) < settings.sampleRatio;
  }

  #noteSample({ entry, durationUs, nowMs }: ExecutedCommand): void {
    const profile = this.#endProfile();
    if (profile === undefined || durationUs < this.#env.settings.sampleThresholdMs * 1000) return;
    const { reads, files } = profile;
    this.sampled.add((id) => ({ id, beganAtMs: nowMs, durationUs, name: entry.definition.name, reads, files }));
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

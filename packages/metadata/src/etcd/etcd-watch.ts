/**
 * One watch that survives: members that fail, streams that end, and a history that was compacted meanwhile.
 *
 * A stream tells changes from a revision on. The watch remembers the next revision it has not told, and opens the next
 * stream there, so nothing is told twice and nothing is left out. When etcd has compacted that revision away, the changes
 * in between cannot be had any more: the watch reads all keys as they are now and tells the difference to what it told
 * before. For that it keeps, of every key, the revision it last knew; a value that changed twice in the gap is told once.
 */
import type { Timer } from '@holdfast/base';
import type { Change, Entry } from '../metadata-store.ts';
import type { EtcdCalls } from './etcd-calls.ts';
import { EtcdFailure, type EtcdEvent, type EtcdKeyValue } from './etcd-rpc.ts';

export interface EtcdWatchOptions {
  readonly calls: EtcdCalls;
  /** All keys that begin with it, as etcd has them. */
  readonly prefix: string;
  /** What is told: changes after this revision. 0: nothing is known of the store yet; what exists is told as changed. */
  readonly afterRevision: number;
  /** Keys come without `strip` characters at their beginning. */
  readonly strip: number;
  /** A listener that throws ends the process. */
  readonly listener: (change: Change) => void;
}

const pauseFirstMs = 50;
const pauseLastMs = 1000;

export class EtcdWatch {
  readonly #options: EtcdWatchOptions;
  /** Key (whole) -> revision of what was told of it or known at the beginning. */
  #known = new Map<string, number>();
  /** 0: has to be learned by reading. */
  #nextRevision = 0;
  /** The first reading is of the past, so that nothing between the beginning and now is left out. */
  #fromPast: boolean;
  #cancelled = false;
  #pauseMs = pauseFirstMs;
  /** Ends the stream that is open. */
  #stop: () => void = () => undefined;

  constructor(options: EtcdWatchOptions) {
    this.#options = options;
    this.#fromPast = options.afterRevision > 0;
    void this.#run();
  }

  cancel(): void {
    this.#cancelled = true;
    this.#stop();
  }

  async #run(): Promise<void> {
    while (!this.#cancelled) {
      try {
        if (this.#nextRevision === 0) await this.#begin();
        if (!this.#cancelled) await this.#follow();
      } catch (error) {
        if (!(error instanceof EtcdFailure)) throw error;
        if (this.#cancelled) return;
        await this.#recover(error);
      }
    }
  }

  async #recover(error: EtcdFailure): Promise<void> {
    const { calls, prefix } = this.#options;
    if (error.refusal === 'compacted') {
      this.#logCompaction();
      this.#nextRevision = 0;
      return;
    }
    if (error.refusal === 'unauthenticated') calls.forgetToken();
    const fields = { prefix, reason: error.message };
    if (error.kind === 'refused') calls.logger.warn('etcd refuses a watch; it is tried again', fields);
    else calls.logger.info('a watch of etcd was interrupted; it is opened again', fields);
    await calls.pause(this.#pauseMs);
    this.#pauseMs = Math.min(this.#pauseMs * 2, pauseLastMs);
  }

  #logCompaction(): void {
    const { calls, prefix } = this.#options;
    calls.logger.info('etcd compacted changes that were not told yet; reading everything anew', { prefix });
  }

  /** Learns what is there: as it was at the beginning when that can still be had, else as it is now. */
  async #begin(): Promise<void> {
    const { calls, prefix, afterRevision } = this.#options;
    if (this.#fromPast) {
      const past = await this.#readPast();
      this.#fromPast = false;
      if (past !== undefined) {
        this.#known = new Map(past.map(({ key, modRevision }) => [key, modRevision]));
        this.#nextRevision = afterRevision + 1;
        return;
      }
    }
    const { reply } = await calls.run('range', { key: prefix, prefix: true }, { repeatable: true });
    if (this.#cancelled) return;
    this.#tellDifference(reply.entries, reply.revision);
    this.#nextRevision = reply.revision + 1;
  }

  /** Undefined when it was compacted. */
  async #readPast(): Promise<readonly EtcdKeyValue[] | undefined> {
    const { calls, prefix, afterRevision } = this.#options;
    const request = { key: prefix, prefix: true, revision: afterRevision };
    try {
      return (await calls.run('range', request, { repeatable: true })).reply.entries;
    } catch (error) {
      if (!(error instanceof EtcdFailure) || error.refusal !== 'compacted') throw error;
      this.#logCompaction();
      return undefined;
    }
  }

  #tellDifference(entries: readonly EtcdKeyValue[], revision: number): void {
    const present = new Set(entries.map(({ key }) => key));
    const gone = [...this.#known.keys()].filter((key) => !present.has(key));
    const changed = entries.filter(({ key, modRevision }) => this.#known.get(key) !== modRevision);
    changed.sort((a, b) => a.modRevision - b.modRevision);
    for (const entry of changed) this.#tell({ key: entry.key, modRevision: entry.modRevision, entry });
    for (const key of gone.sort()) this.#tell({ key, modRevision: revision, entry: undefined });
  }

  /** One stream, until it ends. */
  async #follow(): Promise<never> {
    const { calls, prefix } = this.#options;
    const token = await calls.streamToken();
    const endpoint = calls.endpoint;
    let created: Timer | undefined;
    let forgetLeft = (): void => undefined;
    try {
      return await new Promise<never>((_, reject) => {
        if (this.#cancelled) return reject(new EtcdFailure('not-sent', 'cancelled'));
        const request = { key: prefix, prefix: true, startRevision: this.#nextRevision };
        const stream = endpoint.watch(request, token, {
          onCreated: (): void => created?.cancel(),
          onEvents: (revision, events) => this.#take(revision, events),
          onEnd: reject,
        });
        const end = (why: string): void => {
          stream.cancel();
          reject(new EtcdFailure('no-answer', why));
        };
        this.#stop = (): void => end('cancelled');
        forgetLeft = calls.onLeft((left) => {
          if (left === endpoint) end(`${endpoint.name} does not answer`);
        });
        created = calls.timers.after(calls.requestTimeoutMs, () => {
          end(`${endpoint.name} did not open a watch in ${calls.requestTimeoutMs} ms`);
        });
      });
    } catch (error) {
      if (error instanceof EtcdFailure && error.kind !== 'refused' && !this.#cancelled) calls.leave(endpoint);
      throw error;
    } finally {
      created?.cancel();
      forgetLeft();
      this.#stop = (): void => undefined;
    }
  }

  #take(revision: number, events: readonly EtcdEvent[]): void {
    if (this.#cancelled) return;
    this.#pauseMs = pauseFirstMs;
    for (const event of events) {
      if (event.modRevision < this.#nextRevision) continue;
      this.#tell(event);
    }
    const last = events.at(-1);
    this.#nextRevision = Math.max(this.#nextRevision, (last === undefined ? revision : last.modRevision) + 1);
  }

  #tell({ key, modRevision, entry }: EtcdEvent): void {
    if (entry === undefined) this.#known.delete(key);
    else this.#known.set(key, modRevision);
    const { strip, listener } = this.#options;
    const change: Change = {
      key: key.slice(strip),
      revision: modRevision,
      entry: entry === undefined ? undefined : plainEntry(entry, strip),
    };
    // Outside of the stream's own call, so that a listener that throws ends the process instead of the stream.
    queueMicrotask(() => {
      if (!this.#cancelled) listener(change);
    });
  }
}

/** An entry of the contract, its key without the first `strip` characters. */
export function plainEntry({ key, value, modRevision }: EtcdKeyValue, strip: number): Entry {
  return { key: key.slice(strip), value, revision: modRevision };
}

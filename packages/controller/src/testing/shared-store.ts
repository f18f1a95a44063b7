/**
 * One store for several controllers in a test, as etcd is: a leader or member whose process stands still is given up after
 * the lease's time, changes reach each process by its own watch, and the whole may be out of reach for a while.
 */
import { OperationError } from '@holdfast/base';
import type { VirtualTime } from '@holdfast/base/testing';
import type {
  Announcement,
  Change,
  Leadership,
  MetadataStore,
  Transaction,
  TransactionResult,
} from '@holdfast/metadata';
import type { Life } from './life.ts';

/** After so long without a sign of life etcd gives a process's keys up. */
const leaseTtlMs = 2000;

export class SharedStore {
  readonly #store: MetadataStore;
  readonly #time: VirtualTime;
  readonly #faces = new Set<StoreFace>();
  #isDown = false;

  constructor(store: MetadataStore, time: VirtualTime) {
    this.#store = store;
    this.#time = time;
  }

  get inner(): MetadataStore {
    return this.#store;
  }

  get isDown(): boolean {
    return this.#isDown;
  }

  /** The store as one process reaches it. */
  face(life: Life): MetadataStore {
    const face = new StoreFace(this, life, this.#time);
    this.#faces.add(face);
    return face;
  }

  /** Nothing is answered; leaderships end when their time is over. */
  goDown(): void {
    this.#isDown = true;
    for (const face of this.#faces) face.expireLater();
  }

  comeBack(): void {
    this.#isDown = false;
    for (const face of this.#faces) face.catchUp();
  }
}

class StoreFace implements MetadataStore {
  readonly name: string = 'shared';
  readonly #shared: SharedStore;
  readonly #life: Life;
  readonly #time: VirtualTime;
  readonly #inner = new WeakMap<Leadership, Leadership>();
  #leadership: Leadership | undefined;
  #announced: { readonly member: string; readonly value: string; inner: Announcement | undefined } | undefined;
  /** Changes that the watch could not bring while the store was out of reach. */
  #missed: (() => void)[] = [];

  constructor(shared: SharedStore, life: Life, time: VirtualTime) {
    this.#shared = shared;
    this.#life = life;
    this.#time = time;
    life.onStill = (): void => this.expireLater();
  }

  get #isReached(): boolean {
    return !this.#shared.isDown && !this.#life.isPaused && !this.#life.isOver;
  }

  /** Unless it is reached again in time, what the process holds is given up. */
  expireLater(): void {
    this.#time.after(leaseTtlMs, () => {
      if (this.#isReached) return;
      void this.#leadership?.resign();
      void this.#announced?.inner?.withdraw();
      if (this.#announced !== undefined) this.#announced.inner = undefined;
    });
  }

  catchUp(): void {
    for (const deliver of this.#missed.splice(0)) deliver();
    if (this.#announced?.inner === undefined) void this.#announceAgain();
  }

  async #announceAgain(): Promise<void> {
    const announced = this.#announced;
    if (announced === undefined || !this.#isReached) return;
    announced.inner = await this.#shared.inner.announce(announced.member, announced.value);
  }

  #failing<T>(code: string, outcome: 'not-applied' | 'unknown'): Promise<T> {
    return new Promise((_, reject) => {
      this.#time.after(500, () =>
        this.#life.when(() => reject(new OperationError(code, 'the store does not answer', { outcome }))),
      );
    });
  }

  get(key: string): ReturnType<MetadataStore['get']> {
    if (this.#shared.isDown) return this.#failing('METADATA_READ_FAILED', 'not-applied');
    return this.#life.outcome(this.#shared.inner.get(key));
  }

  list(prefix: string): ReturnType<MetadataStore['list']> {
    if (this.#shared.isDown) return this.#failing('METADATA_READ_FAILED', 'not-applied');
    return this.#life.outcome(this.#shared.inner.list(prefix));
  }

  watch(prefix: string, listener: (change: Change) => void): ReturnType<MetadataStore['watch']> {
    return this.#shared.inner.watch(prefix, (change) => {
      const deliver = (): void => this.#life.when(() => listener(change));
      if (this.#shared.isDown) this.#missed.push(deliver);
      else deliver();
    });
  }

  /** What a controller says for itself goes on all the time; only what the leader writes counts as an effect. */
  async compareAndSet(
    ...[key, expected, value]: Parameters<MetadataStore['compareAndSet']>
  ): ReturnType<MetadataStore['compareAndSet']> {
    const result = await this.#send('', { guards: [{ key, expected }], puts: [{ key, value }] });
    return result.ok ? result : { ok: false, current: result.conflicts[0]?.current };
  }

  transact(transaction: Transaction): Promise<TransactionResult> {
    const { leadership, ...rest } = transaction;
    const inner = leadership === undefined ? undefined : this.#inner.get(leadership);
    const isEvents = transaction.puts?.every(({ key }) => key.includes('/events/')) === true;
    return this.#send(isEvents ? '' : 'transact', inner === undefined ? rest : { ...rest, leadership: inner });
  }

  #send(name: string, transaction: Transaction): Promise<TransactionResult> {
    const run = (): Promise<TransactionResult> =>
      this.#shared.isDown
        ? this.#failing('METADATA_WRITE_FAILED', 'unknown')
        : this.#shared.inner.transact(transaction);
    if (name !== '') return this.#life.perform(name, run);
    return new Promise((resolve, reject) => {
      this.#life.when(() => void this.#life.outcome(run()).then(resolve, reject));
    });
  }

  async campaign(candidate: string): Promise<Leadership> {
    for (;;) {
      const inner = await this.#shared.inner.campaign(candidate);
      if (this.#isReached) return this.#wrap(inner);
      await inner.resign();
      if (this.#life.isOver) return new Promise<never>(() => undefined);
      await new Promise<void>((resolve) => this.#time.after(50, resolve));
    }
  }

  #wrap(inner: Leadership): Leadership {
    const lost = new AbortController();
    const leadership: Leadership = {
      term: inner.term,
      get held(): boolean {
        return !lost.signal.aborted;
      },
      lost: lost.signal,
      resign: async (): Promise<void> => {
        lost.abort();
        await inner.resign();
      },
    };
    // A process learns of its loss as of anything else: when it runs.
    inner.lost.addEventListener('abort', () => this.#life.when(() => lost.abort()), { once: true });
    this.#inner.set(leadership, inner);
    this.#leadership = inner;
    return leadership;
  }

  async announce(member: string, value: string): Promise<Announcement> {
    this.#announced = { member, value, inner: await this.#shared.inner.announce(member, value) };
    return { member, withdraw: async () => this.#announced?.inner?.withdraw() };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

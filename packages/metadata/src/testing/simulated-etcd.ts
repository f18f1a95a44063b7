/**
 * An etcd in one object: keys with create and mod revisions, leases that end by a given clock, watches with a history
 * that can be compacted, and links that fail the way networks and members do. No real time, no randomness: what happens
 * follows from the calls and the Timers, so a simulation with several controllers repeats exactly.
 *
 * Each controller gets endpoints of its own (`link`), whose faults it alone sees. The store on top of them is the shipped
 * one (../etcd/etcd-store.ts).
 */
import { assert, type Timer, type Timers } from '@holdfast/base';
import {
  EtcdFailure,
  type EtcdCall,
  type EtcdCompare,
  type EtcdEndpoint,
  type EtcdEvent,
  type EtcdKeyValue,
  type EtcdKeys,
  type EtcdMethod,
  type EtcdMethods,
  type EtcdOperation,
  type EtcdStream,
  type EtcdWatchEvents,
  type EtcdWatchRequest,
} from '../etcd/etcd-rpc.ts';

interface Lease {
  readonly ttlMs: number;
  readonly keys: Set<string>;
  expiry: Timer;
}

interface Watcher {
  readonly request: EtcdWatchRequest;
  readonly tell: (revision: number, events: readonly EtcdEvent[]) => void;
}

interface Batch {
  readonly revision: number;
  readonly events: readonly EtcdEvent[];
}

export class SimulatedEtcd {
  readonly timers: Timers;
  readonly #watchers = new Set<Watcher>();
  readonly #leases = new Map<string, Lease>();
  #entries: ReadonlyMap<string, EtcdKeyValue> = new Map();
  /** All keys at each revision that is not compacted. */
  readonly #past = new Map<number, ReadonlyMap<string, EtcdKeyValue>>();
  #history: Batch[] = [];
  #revision = 1;
  /** Revisions below it are gone. */
  #compacted = 0;
  #lastLease = 1000;

  /** @param timers decide when leases end. */
  constructor(timers: Timers) {
    this.timers = timers;
    this.#past.set(1, this.#entries);
  }

  get revision(): number {
    return this.#revision;
  }

  /** One way to reach it. `delayMs`: until a request arrives, and again until its answer does; 0: at once. */
  link(name: string, delayMs = 0): SimulatedLink {
    return new SimulatedLink(this, name, delayMs);
  }

  /** Forgets what was before the present revision, as etcd's compaction does. */
  compact(): void {
    this.#compacted = this.#revision;
    this.#history = this.#history.filter(({ revision }) => revision > this.#compacted);
    for (const revision of [...this.#past.keys()]) if (revision < this.#compacted) this.#past.delete(revision);
  }

  /** Carries one request out, now. */
  carryOut<M extends EtcdMethod>(method: M, request: EtcdMethods[M]['request']): EtcdMethods[M]['reply'] {
    const handlers: { [K in EtcdMethod]: (request: EtcdMethods[K]['request']) => EtcdMethods[K]['reply'] } = {
      range: (each) => this.#range(each),
      txn: (each) => this.#txn(each),
      leaseGrant: ({ ttlS }) => this.#grant(ttlS),
      leaseKeepAlive: ({ lease }) => this.#keepAlive(lease),
      leaseRevoke: ({ lease }) => this.#revoke(lease),
      authenticate: () => ({ token: 'simulated' }),
    };
    return handlers[method](request);
  }

  /** Begins a watch; `undefined` when its first revision was compacted. */
  subscribe(request: EtcdWatchRequest, tell: Watcher['tell']): (() => void) | undefined {
    if (request.startRevision < this.#compacted) return undefined;
    const watcher: Watcher = { request, tell };
    this.#watchers.add(watcher);
    for (const batch of this.#history) if (batch.revision >= request.startRevision) this.#tell(watcher, batch);
    return () => void this.#watchers.delete(watcher);
  }

  #tell({ request, tell }: Watcher, { revision, events }: Batch): void {
    const wanted = events.filter(({ key }) => matches(request, key));
    if (wanted.length > 0) tell(revision, wanted);
  }

  #range({ revision, ...keys }: EtcdMethods['range']['request']): EtcdMethods['range']['reply'] {
    if (revision !== undefined && revision < this.#compacted)
      throw new EtcdFailure('refused', 'simulated: required revision has been compacted', 'compacted');
    const entries = revision === undefined ? this.#entries : this.#past.get(revision);
    if (entries === undefined) throw new EtcdFailure('refused', 'simulated: required revision is a future revision');
    return { revision: this.#revision, entries: found(entries, keys) };
  }

  #txn({ compares, success, failure }: EtcdMethods['txn']['request']): EtcdMethods['txn']['reply'] {
    const succeeded = compares.every((compare) => holds(compare, this.#entries.get(compare.key)));
    const operations = succeeded ? success : failure;
    for (const operation of operations) this.#requireLease(operation);
    const ranges = operations.flatMap((each) => (each.kind === 'range' ? [found(this.#entries, each)] : []));
    this.#write(operations);
    return { revision: this.#revision, succeeded, ranges };
  }

  #requireLease(operation: EtcdOperation): void {
    if (operation.kind !== 'put' || operation.lease === undefined || this.#leases.has(operation.lease)) return;
    throw new EtcdFailure('refused', 'simulated: requested lease not found', 'lease-not-found');
  }

  #write(operations: readonly EtcdOperation[]): void {
    const revision = this.#revision + 1;
    const entries = new Map(this.#entries);
    const events: EtcdEvent[] = [];
    for (const operation of operations) {
      if (operation.kind === 'range') continue;
      const before = entries.get(operation.key);
      if (operation.kind === 'remove' && before === undefined) continue;
      if (before !== undefined) this.#leases.get(before.lease)?.keys.delete(before.key);
      if (operation.kind === 'remove') {
        entries.delete(operation.key);
        events.push({ key: operation.key, modRevision: revision, entry: undefined });
        continue;
      }
      const { key, value, lease = '0' } = operation;
      const createRevision = before?.createRevision ?? revision;
      const entry: EtcdKeyValue = { key, value, lease, createRevision, modRevision: revision };
      this.#leases.get(lease)?.keys.add(key);
      entries.set(key, entry);
      events.push({ key, modRevision: revision, entry });
    }
    if (events.length === 0) return;
    this.#revision = revision;
    this.#entries = entries;
    this.#past.set(revision, entries);
    const batch = { revision, events };
    this.#history.push(batch);
    for (const watcher of [...this.#watchers]) this.#tell(watcher, batch);
  }

  #grant(ttlS: number): EtcdMethods['leaseGrant']['reply'] {
    const id = String(++this.#lastLease);
    const granted = Math.max(2, ttlS);
    const ttlMs = granted * 1000;
    this.#leases.set(id, { ttlMs, keys: new Set(), expiry: this.timers.after(ttlMs, () => this.#end(id)) });
    return { lease: id, ttlS: granted };
  }

  #keepAlive(id: string): EtcdMethods['leaseKeepAlive']['reply'] {
    const lease = this.#leases.get(id);
    if (lease === undefined) return { ttlS: 0 };
    lease.expiry.cancel();
    lease.expiry = this.timers.after(lease.ttlMs, () => this.#end(id));
    return { ttlS: lease.ttlMs / 1000 };
  }

  #revoke(id: string): Record<string, never> {
    if (!this.#leases.has(id))
      throw new EtcdFailure('refused', 'simulated: requested lease not found', 'lease-not-found');
    this.#end(id);
    return {};
  }

  /** All keys of a lease go at one revision. */
  #end(id: string): void {
    const lease = this.#leases.get(id);
    assert(lease !== undefined, `lease ${id} ended twice`);
    lease.expiry.cancel();
    const keys = [...lease.keys].sort();
    this.#leases.delete(id);
    this.#write(keys.map((key) => ({ kind: 'remove', key })));
  }
}

/**
 * What a link does with requests.
 * - up: they arrive and are answered;
 * - refused: nothing is listening;
 * - silent: they never arrive, and nothing says so;
 * - answers-lost: they arrive and are carried out, and nothing comes back;
 * - resets: they arrive and are carried out, and instead of the answer the connection breaks;
 * - held: they wait until the link is up again and arrive then, as at a member that is stopped.
 */
export type LinkFault = 'up' | 'refused' | 'silent' | 'answers-lost' | 'resets' | 'held';

export class SimulatedLink implements EtcdEndpoint {
  readonly name: string;
  readonly #etcd: SimulatedEtcd;
  readonly #delayMs: number;
  readonly #breaks = new Set<() => void>();
  #fault: LinkFault = 'up';
  #held: (() => void)[] = [];

  constructor(etcd: SimulatedEtcd, name: string, delayMs: number) {
    this.#etcd = etcd;
    this.name = name;
    this.#delayMs = delayMs;
  }

  get fault(): LinkFault {
    return this.#fault;
  }

  /** From now on. 'refused' and 'resets' also break the watches that are open; under the silent faults they stay open, silent. */
  set fault(fault: LinkFault) {
    this.#fault = fault;
    if (fault === 'refused' || fault === 'resets') for (const breakOff of [...this.#breaks]) breakOff();
    if (fault !== 'up') return;
    const held = this.#held;
    this.#held = [];
    for (const arrive of held) arrive();
  }

  call<M extends EtcdMethod>(method: M, request: EtcdMethods[M]['request']): EtcdCall<EtcdMethods[M]['reply']> {
    let cancel = (): void => undefined;
    const reply = new Promise<EtcdMethods[M]['reply']>((resolve, reject) => {
      if (this.#fault === 'refused')
        return this.#later(() => reject(new EtcdFailure('not-sent', `${this.name} cannot be reached`)));
      cancel = (): void => reject(new EtcdFailure('no-answer', `${this.name} did not answer in time`));
      this.#arrive(() => {
        const answer = outcomeOf(() => this.#etcd.carryOut(method, request));
        this.#later(() => {
          if (this.#fault === 'refused' || this.#fault === 'resets') cancel();
          else if (this.#fault === 'up') answer(resolve, reject);
        });
      });
    });
    return { reply, cancel: (): void => cancel() };
  }

  watch(request: EtcdWatchRequest, _token: string | undefined, events: EtcdWatchEvents): EtcdStream {
    let unsubscribe: (() => void) | undefined;
    let ended = false;
    const end = (failure?: EtcdFailure): void => {
      if (ended) return;
      ended = true;
      this.#breaks.delete(breakOff);
      unsubscribe?.();
      if (failure !== undefined) events.onEnd(failure);
    };
    const breakOff = (): void => end(new EtcdFailure('no-answer', `${this.name} ended a watch`));
    this.#breaks.add(breakOff);
    if (this.#fault === 'refused') this.#later(breakOff);
    else
      this.#arrive(() => {
        if (ended) return;
        // What is told while the link is silent waits in it, in order, as in the socket of a stopped member.
        unsubscribe = this.#etcd.subscribe(request, (revision, list) =>
          this.#deliver(() => {
            if (!ended) events.onEvents(revision, list);
          }),
        );
        this.#deliver(() => {
          if (unsubscribe === undefined) end(new EtcdFailure('refused', `${this.name} compacted`, 'compacted'));
          else if (!ended) events.onCreated();
        });
      });
    return { cancel: (): void => end() };
  }

  close(): void {
    this.#held = [];
  }

  /** Runs `arrive` when a request gets there, if it does. */
  #arrive(arrive: () => void): void {
    this.#later(() => {
      switch (this.#fault) {
        case 'up':
        case 'answers-lost':
        case 'resets':
          return arrive();
        case 'held':
          return void this.#held.push(arrive);
        case 'silent':
        case 'refused':
          return;
        default:
          return this.#fault satisfies never;
      }
    });
  }

  /** Runs `deliver` when something told gets back; it waits for as long as the link is silent. */
  #deliver(deliver: () => void): void {
    this.#later(() => {
      if (this.#fault === 'up' && this.#held.length === 0) deliver();
      else this.#held.push(deliver);
    });
  }

  #later(run: () => void): void {
    if (this.#delayMs === 0) queueMicrotask(run);
    else this.#etcd.timers.after(this.#delayMs, run);
  }
}

type Settle<T> = (resolve: (value: T) => void, reject: (error: unknown) => void) => void;

function outcomeOf<T>(run: () => T): Settle<T> {
  try {
    const value = run();
    return (resolve) => resolve(value);
  } catch (error) {
    return (_, reject) => reject(error);
  }
}

function matches({ key, prefix = false }: EtcdKeys, candidate: string): boolean {
  return prefix ? candidate.startsWith(key) : candidate === key;
}

function found(entries: ReadonlyMap<string, EtcdKeyValue>, keys: EtcdKeys): EtcdKeyValue[] {
  return [...entries.values()].filter(({ key }) => matches(keys, key)).sort((a, b) => (a.key < b.key ? -1 : 1));
}

function holds(compare: EtcdCompare, entry: EtcdKeyValue | undefined): boolean {
  switch (compare.target) {
    case 'create':
      return (entry?.createRevision ?? 0) === compare.revision;
    case 'mod':
      return (entry?.modRevision ?? 0) === compare.revision;
    case 'lease':
      return (entry?.lease ?? '0') !== compare.not;
    default:
      return compare satisfies never;
  }
}

/**
 * The metadata store as this controller knows it: read whole once, kept up to date by a watch, and, where this controller
 * leads, by its own writes as soon as they stand. Every controller has one, whether it leads or not; while the store
 * cannot be reached it shows what was there last, and grants go on from it.
 *
 * A transaction is seen whole or not at all: its keys come one by one in one turn of the event loop and are applied
 * together at its end. Else a topology's version would be seen before the shard records that belong to it, and go out
 * under that version with another content.
 *
 * The store's revision orders everything, so nothing can be applied in the wrong order: a change that is older than what
 * is known of its key is dropped, and of a removed key the revision of its removal is kept. When a change arrived is read
 * from the lease clock: answers of other controllers count from their arrival here.
 */
import { FatalError, type Clock, type Timers } from '@holdfast/base';
import type { ShardRecord } from '@holdfast/fencing';
import { leaderKey, membersPrefix, type Entry, type MetadataStore, type Watch } from '@holdfast/metadata';
import {
  keys,
  readBindings,
  readCluster,
  readController,
  readEvents,
  readLeader,
  readObserved,
  readShard,
  readWithheld,
  type BindingsRecord,
  type ClusterRecord,
  type ControllerRecord,
  type EventsRecord,
  type ObservedRecord,
  type Stored,
  type WithheldRecord,
} from './records.ts';

/** One cluster as the store has it. */
export interface ClusterMirror {
  readonly cluster: Stored<ClusterRecord>;
  readonly shards: readonly Stored<ShardRecord>[];
  readonly events: Stored<EventsRecord>;
}

/** A record with the instant of the lease clock at which it arrived here. */
export interface Arrived<T> extends Stored<T> {
  readonly arrivedMs: number;
}

/** A key as it was read: its record parsed once, so that the same content is the same object. */
interface Known {
  readonly key: string;
  /** Of the last change; of a removed key, of its removal. */
  readonly revision: number;
  readonly arrivedMs: number;
  /** Undefined: the key is gone. */
  readonly record: Stored<unknown> | undefined;
}

/** A key and its record, as a writer already knows it; undefined: removed. */
export interface Written {
  readonly key: string;
  readonly value: unknown;
}

const noBindings: Stored<BindingsRecord> = { value: { clusters: {} }, revision: 0 };
const noEvents: Stored<EventsRecord> = { value: { events: [] }, revision: 0 };

export class StoreMirror {
  readonly #store: MetadataStore;
  readonly #clock: Clock;
  readonly #timers: Timers;
  /** Changes of this turn, in order. */
  #arriving: StoreChange[] = [];
  readonly #known = new Map<string, Known>();
  /** Built from the records below when asked for; dropped when one of them changes. */
  readonly #clusters = new Map<string, ClusterMirror>();
  #watch: Watch | undefined;
  #onChange: () => void = () => undefined;
  #onFailure: (error: unknown) => void = () => undefined;

  private constructor(store: MetadataStore, { clock, timers }: MirrorEnv) {
    this.#store = store;
    this.#clock = clock;
    this.#timers = timers;
  }

  /**
   * Reads everything.
   * @throws OperationError of the store; FatalError when a record is not what its key says.
   */
  static async open(store: MetadataStore, env: MirrorEnv): Promise<StoreMirror> {
    const mirror = new StoreMirror(store, env);
    // The watch first: what changes between it and the listing comes from both, and the older of the two is dropped.
    mirror.#watch = store.watch(keys.all, (change) => mirror.#take(change));
    try {
      await mirror.resync();
    } catch (error) {
      mirror.close();
      throw error;
    }
    return mirror;
  }

  /** Called after every change, with nobody told twice about the same. `onFailure`: a record that cannot be read. */
  listen(onChange: () => void, onFailure: (error: unknown) => void): void {
    this.#onChange = onChange;
    this.#onFailure = onFailure;
  }

  /**
   * Reads everything anew: a leader begins with it, and it mends whatever a watch may have missed.
   * @throws as `open`.
   */
  async resync(): Promise<void> {
    const { revision, entries } = await this.#store.list(keys.all);
    const present = new Set(entries.map(({ key }) => key));
    const gone = [...this.#known.keys()].filter((key) => !present.has(key));
    const changed = this.#apply([
      ...entries.map((entry) => ({ key: entry.key, entry, revision: entry.revision })),
      ...gone.map((key) => ({ key, entry: undefined, revision })),
    ]);
    if (changed) this.#onChange();
  }

  /** Notes what this controller has just written; the watch will bring it again. */
  note(revision: number, written: readonly Written[]): void {
    const arrivedMs = this.#clock.leaseMs();
    for (const { key, value } of written) {
      const record = value === undefined ? undefined : { value, revision };
      this.#put({ key, revision, arrivedMs, record });
    }
    this.#onChange();
  }

  close(): void {
    this.#watch?.cancel();
  }

  #take(change: StoreChange): void {
    this.#arriving.push(change);
    if (this.#arriving.length > 1) return;
    this.#timers.soon(() => {
      const changes = this.#arriving;
      this.#arriving = [];
      try {
        if (this.#apply(changes)) this.#onChange();
      } catch (error) {
        this.#onFailure(error);
      }
    });
  }

  /** True when something is different now. */
  #apply(changes: readonly StoreChange[]): boolean {
    const arrivedMs = this.#clock.leaseMs();
    let changed = false;
    for (const { key, entry, revision } of changes) {
      if ((this.#known.get(key)?.revision ?? 0) >= revision) continue;
      if (entry === undefined && !this.#known.has(key)) continue;
      this.#put({ key, revision, arrivedMs, record: entry === undefined ? undefined : readRecord(entry) });
      changed = true;
    }
    return changed;
  }

  #put(known: Known): void {
    this.#known.set(known.key, known);
    for (const prefix of [keys.clusters, keys.shards, keys.eventsAll]) {
      if (!known.key.startsWith(prefix)) continue;
      const [namespace = '', name = ''] = known.key.slice(prefix.length).split('/');
      this.#clusters.delete(clusterKey(namespace, name));
    }
  }

  #record<T>(key: string): Arrived<T> | undefined {
    const known = this.#known.get(key);
    if (known?.record === undefined) return undefined;
    return { ...(known.record as Stored<T>), arrivedMs: known.arrivedMs };
  }

  #below<T>(prefix: string): (Arrived<T> & { readonly name: string })[] {
    const found: (Arrived<T> & { readonly name: string })[] = [];
    for (const key of [...this.#known.keys()].sort()) {
      const record = key.startsWith(prefix) ? this.#record<T>(key) : undefined;
      if (record !== undefined) found.push({ ...record, name: key.slice(prefix.length) });
    }
    return found;
  }

  /** Any key as it is known; revision 0: it is not there. */
  stored(key: string): Stored<unknown> {
    return this.#known.get(key)?.record ?? { value: undefined, revision: 0 };
  }

  get namespaces(): readonly string[] {
    return this.#below(keys.namespaces).map(({ name }) => name);
  }

  get bindings(): Stored<BindingsRecord> {
    return this.#record<BindingsRecord>(keys.bindings) ?? noBindings;
  }

  /** Id of the controller that leads, as far as is known here; that it still does only the store can say. */
  get leaderId(): string | undefined {
    return this.#record<string>(leaderKey)?.value;
  }

  /** All that belong to the controllers, by id ascending. */
  get controllers(): readonly ControllerRecord[] {
    return this.#below<ControllerRecord>(keys.controllers).map(({ value }) => value);
  }

  /** True while the store takes the controller to be alive. */
  isAlive(controllerId: string): boolean {
    return this.#known.get(`${membersPrefix}${controllerId}`)?.record !== undefined;
  }

  /** Clusters whose records are all there, by `<ns>/<name>`, ascending. */
  get clusters(): readonly ClusterMirror[] {
    return this.#below<ClusterRecord>(keys.clusters).flatMap(({ name }) => this.cluster(name) ?? []);
  }

  /** @param key `<ns>/<name>`; undefined when there is no such cluster, or not all of its records arrived yet. */
  cluster(key: string): ClusterMirror | undefined {
    const cached = this.#clusters.get(key);
    if (cached !== undefined) return cached;
    const cluster = this.#known.get(`${keys.clusters}${key}`)?.record as Stored<ClusterRecord> | undefined;
    if (cluster === undefined) return undefined;
    const { namespace, name } = cluster.value;
    const shards: Stored<ShardRecord>[] = [];
    for (let index = 0; index < cluster.value.shards.length; index++) {
      const shard = this.#known.get(keys.shard(namespace, name, index))?.record as Stored<ShardRecord> | undefined;
      if (shard === undefined) return undefined;
      shards.push(shard);
    }
    const events = this.#known.get(keys.events(namespace, name))?.record as Stored<EventsRecord> | undefined;
    const mirror: ClusterMirror = { cluster, shards, events: events ?? noEvents };
    this.#clusters.set(key, mirror);
    return mirror;
  }

  /** What controllers answered for one shard of a cluster, by controller id. */
  withheld(key: string, index: number): ReadonlyMap<string, Arrived<WithheldRecord>> {
    return new Map(
      this.#below<WithheldRecord>(keys.withheld(key, index, '')).map((record) => [record.name, record] as const),
    );
  }

  /** What controllers observe of a cluster's nodes, by controller id. */
  observed(key: string): ReadonlyMap<string, Arrived<ObservedRecord>> {
    return new Map(this.#below<ObservedRecord>(keys.observed(key, '')).map((record) => [record.name, record] as const));
  }

  /** Every key that belongs to a cluster besides its cluster record. */
  keysOf(key: string): readonly string[] {
    const prefixes = [keys.shards, keys.eventsAll, keys.withheldAll, keys.observedAll].map((each) => `${each}${key}`);
    return [...this.#known.values()]
      .filter(({ record }) => record !== undefined)
      .map((known) => known.key)
      .filter((each) => prefixes.some((prefix) => each === prefix || each.startsWith(`${prefix}/`)));
  }
}

export interface MirrorEnv {
  readonly clock: Clock;
  readonly timers: Timers;
}

interface StoreChange {
  readonly key: string;
  readonly entry: Entry | undefined;
  readonly revision: number;
}

/** `<ns>/<name>`. */
export function clusterKey(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

const readers: readonly (readonly [prefix: string, read: (entry: Entry) => Stored<unknown>])[] = [
  [keys.clusters, readCluster],
  [keys.shards, readShard],
  [keys.eventsAll, readEvents],
  [keys.bindings, readBindings],
  [leaderKey, readLeader],
  [keys.controllers, readController],
  [keys.withheldAll, readWithheld],
  [keys.observedAll, readObserved],
];

/** Namespaces and members hold nothing that is looked at. */
function readRecord(entry: Entry): Stored<unknown> {
  const reader = readers.find(([prefix]) => entry.key.startsWith(prefix));
  if (reader !== undefined) return checkedName(entry, reader[1](entry));
  return { value: undefined, revision: entry.revision };
}

/** A cluster's record must name the cluster its key names, or every key made from it leads elsewhere. */
function checkedName(entry: Entry, record: Stored<unknown>): Stored<unknown> {
  if (!entry.key.startsWith(keys.clusters)) return record;
  const { namespace, name } = record.value as ClusterRecord;
  if (entry.key === keys.cluster(namespace, name)) return record;
  throw new FatalError(`the metadata record ${entry.key} names cluster ${clusterKey(namespace, name)}`, 3);
}

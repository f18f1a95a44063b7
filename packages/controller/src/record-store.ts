/**
 * The controller's mirror of the metadata store.
 *
 * Records are read once, when leadership is won; after that only this controller writes them, each write a transaction
 * guarded by the revisions the mirror has and by the leadership. Commits run one after another, each built from the
 * mirror as the one before left it, so two shards that announce at the same time do not collide. A guard that fails
 * anyway means another writer: the mirror is worthless then, and the process ends to read anew.
 */
import { FatalError, messageOf, OperationError } from '@holdfast/base';
import type { ShardRecord } from '@holdfast/fencing';
import type { Entry, Leadership, MetadataStore, Transaction } from '@holdfast/metadata';
import {
  keys,
  readBindings,
  readCluster,
  readEvents,
  readShard,
  type BindingRecord,
  type BindingsRecord,
  type ClusterRecord,
  type EventsRecord,
  type Stored,
} from './records.ts';

/** One cluster as the store has it. */
export interface ClusterMirror {
  readonly cluster: Stored<ClusterRecord>;
  readonly shards: readonly Stored<ShardRecord>[];
  readonly events: Stored<EventsRecord>;
}

/** What one commit changes; what is absent stays. */
export interface ClusterChange {
  readonly cluster?: ClusterRecord;
  /** By shard index. */
  readonly shards?: ReadonlyMap<number, ShardRecord>;
  readonly bindings?: BindingsRecord;
  readonly events?: EventsRecord;
}

const noEvents: Stored<EventsRecord> = { value: { events: [] }, revision: 0 };

export class RecordStore {
  readonly #store: MetadataStore;
  readonly #leadership: Leadership;
  readonly #namespaces = new Set<string>();
  readonly #clusters = new Map<string, ClusterMirror>();
  #bindings: Stored<BindingsRecord> = { value: { clusters: {} }, revision: 0 };
  #tail: Promise<unknown> = Promise.resolve();

  private constructor(store: MetadataStore, leadership: Leadership) {
    this.#store = store;
    this.#leadership = leadership;
  }

  /** Reads everything. */
  static async open(store: MetadataStore, leadership: Leadership): Promise<RecordStore> {
    const records = new RecordStore(store, leadership);
    const { entries } = await store.list(keys.namespaces);
    for (const { key } of entries) records.#namespaces.add(key.slice(keys.namespaces.length));
    const bindings = await store.get(keys.bindings);
    if (bindings !== undefined) records.#bindings = readBindings(bindings);
    for (const entry of (await store.list(keys.clusters)).entries) await records.#readCluster(entry);
    return records;
  }

  async #readCluster(entry: Entry): Promise<void> {
    const cluster = readCluster(entry);
    const { namespace, name } = cluster.value;
    const shards: Stored<ShardRecord>[] = [];
    for (let index = 0; index < cluster.value.shards.length; index++) {
      const shard = await this.#store.get(keys.shard(namespace, name, index));
      if (shard === undefined) throw new FatalError(`the metadata store has no record of shard ${index} of ${name}`, 3);
      shards.push(readShard(shard));
    }
    const events = await this.#store.get(keys.events(namespace, name));
    const mirror = { cluster, shards, events: events === undefined ? noEvents : readEvents(events) };
    this.#clusters.set(clusterKey(namespace, name), mirror);
  }

  get namespaces(): readonly string[] {
    return [...this.#namespaces].sort();
  }

  get bindings(): Stored<BindingsRecord> {
    return this.#bindings;
  }

  get clusters(): readonly ClusterMirror[] {
    return [...this.#clusters.values()];
  }

  /** `<ns>/<name>`; undefined when there is no such cluster. */
  cluster(key: string): ClusterMirror | undefined {
    return this.#clusters.get(key);
  }

  /** Creates or removes a namespace. Doing it twice is fine. */
  async putNamespace(namespace: string): Promise<void> {
    await this.#serially(() => this.#transact({ guards: [], puts: [{ key: keys.namespace(namespace), value: '{}' }] }));
    this.#namespaces.add(namespace);
  }

  async removeNamespace(namespace: string): Promise<void> {
    await this.#serially(() => this.#transact({ guards: [], removes: [keys.namespace(namespace)] }));
    this.#namespaces.delete(namespace);
  }

  /** Writes a cluster that was not there, with its shards and bindings, at once. */
  createCluster(
    cluster: ClusterRecord,
    shards: readonly ShardRecord[],
    own: readonly BindingRecord[],
  ): Promise<ClusterMirror> {
    return this.#serially(async () => {
      const bindings = this.#bindingsWith(clusterKey(cluster.namespace, cluster.name), own);
      const { namespace, name } = cluster;
      const key = keys.cluster(namespace, name);
      const shardKeys = shards.map((_, index) => keys.shard(namespace, name, index));
      const revision = await this.#transact({
        guards: [key, ...shardKeys].map((each) => ({ key: each, expected: 'absent' as const })),
        puts: [
          { key: keys.namespace(namespace), value: '{}' },
          { key, value: JSON.stringify(cluster) },
          ...shards.map((shard, index) => ({ key: shardKeys[index] ?? '', value: JSON.stringify(shard) })),
          { key: keys.bindings, value: JSON.stringify(bindings) },
        ],
      });
      const mirror: ClusterMirror = {
        cluster: { value: cluster, revision },
        shards: shards.map((value) => ({ value, revision })),
        events: noEvents,
      };
      this.#namespaces.add(namespace);
      this.#clusters.set(clusterKey(namespace, name), mirror);
      this.#bindings = { value: bindings, revision };
      return mirror;
    });
  }

  /** Removes a cluster with its shards, events and bindings. */
  removeCluster(key: string): Promise<void> {
    return this.#serially(async () => {
      const bindings = this.#bindingsWith(key, undefined);
      const mirror = this.#must(key);
      const { namespace, name } = mirror.cluster.value;
      const revision = await this.#transact({
        guards: [{ key: keys.cluster(namespace, name), expected: mirror.cluster.revision }],
        puts: [{ key: keys.bindings, value: JSON.stringify(bindings) }],
        removes: [
          keys.cluster(namespace, name),
          keys.events(namespace, name),
          ...mirror.shards.map((_, index) => keys.shard(namespace, name, index)),
        ],
      });
      this.#clusters.delete(key);
      this.#bindings = { value: bindings, revision };
    });
  }

  #bindingsWith(key: string, own: readonly BindingRecord[] | undefined): BindingsRecord {
    const others = Object.entries(this.#bindings.value.clusters).filter(([name]) => name !== key);
    return { clusters: Object.fromEntries(own === undefined ? others : [...others, [key, own]]) };
  }

  /**
   * Changes records of one cluster.
   * @param build gets the mirror as it is when the commit's turn has come; undefined: there is nothing to do any more.
   */
  commit(
    key: string,
    build: (mirror: ClusterMirror, bindings: BindingsRecord) => ClusterChange | undefined,
  ): Promise<void> {
    return this.#serially(async () => {
      const mirror = this.#must(key);
      const change = build(mirror, this.#bindings.value);
      if (change === undefined) return;
      const revision = await this.#transact(this.#transactionOf(mirror, change));
      this.#clusters.set(key, {
        cluster: change.cluster === undefined ? mirror.cluster : { value: change.cluster, revision },
        shards: mirror.shards.map((shard, index) => {
          const value = change.shards?.get(index);
          return value === undefined ? shard : { value, revision };
        }),
        events: change.events === undefined ? mirror.events : { value: change.events, revision },
      });
      if (change.bindings !== undefined) this.#bindings = { value: change.bindings, revision };
    });
  }

  #transactionOf(mirror: ClusterMirror, change: ClusterChange): Transaction {
    const { namespace, name } = mirror.cluster.value;
    const written: { key: string; revision: number; value: unknown }[] = [];
    if (change.cluster !== undefined)
      written.push({ key: keys.cluster(namespace, name), revision: mirror.cluster.revision, value: change.cluster });
    for (const [index, value] of change.shards ?? [])
      written.push({ key: keys.shard(namespace, name, index), revision: mirror.shards[index]?.revision ?? 0, value });
    if (change.bindings !== undefined)
      written.push({ key: keys.bindings, revision: this.#bindings.revision, value: change.bindings });
    if (change.events !== undefined)
      written.push({ key: keys.events(namespace, name), revision: mirror.events.revision, value: change.events });
    return {
      guards: written.map(({ key, revision }) => ({ key, expected: revision === 0 ? 'absent' : revision })),
      puts: written.map(({ key, value }) => ({ key, value: JSON.stringify(value) })),
    };
  }

  #must(key: string): ClusterMirror {
    const mirror = this.#clusters.get(key);
    if (mirror === undefined)
      throw new OperationError('CONTROLLER_CLUSTER_GONE', `cluster ${key} is gone`, { outcome: 'not-applied' });
    return mirror;
  }

  /**
   * @returns the revision of what was written.
   * @throws FatalError when the mirror can no longer be trusted: another writer, or a write whose outcome is unknown.
   */
  async #transact(transaction: Transaction): Promise<number> {
    const result = await this.#store
      .transact({ ...transaction, leadership: this.#leadership })
      .catch((error: unknown) => {
        if (
          error instanceof OperationError &&
          error.outcome === 'not-applied' &&
          error.code === 'METADATA_WRITE_FAILED'
        )
          throw error;
        throw new FatalError(`the metadata store failed: ${messageOf(error)}`, 3, error);
      });
    if (result.ok) return result.revision;
    throw new FatalError(`another writer changed ${result.conflicts.map(({ key }) => key).join(', ')}`, 3);
  }

  #serially<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(run);
    this.#tail = result.catch(() => undefined);
    return result;
  }
}

export function clusterKey(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

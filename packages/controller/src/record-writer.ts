/**
 * What a leader writes. Each write is one transaction, guarded by the revisions that the mirror has and by the
 * leadership, so a deposed leader changes nothing, whatever it still believes.
 *
 * Commits run one after another, each built from the mirror as the one before left it: two shards that announce at the
 * same time do not collide. A guard that fails, or a write whose outcome is unknown, means that the mirror may not be
 * what stands in the store: the term ends, and whoever leads next, perhaps this same process, reads the store anew.
 */
import { messageOf, OperationError } from '@holdfast/base';
import type { ShardRecord } from '@holdfast/fencing';
import type { Leadership, MetadataStore, Transaction } from '@holdfast/metadata';
import {
  keys,
  type BindingRecord,
  type BindingsRecord,
  type ClusterRecord,
  type EventsRecord,
  type Stored,
} from './records.ts';
import { clusterKey, type ClusterMirror, type StoreMirror, type Written } from './store-mirror.ts';

/** What one commit changes; what is absent stays. */
export interface ClusterChange {
  readonly cluster?: ClusterRecord;
  /** By shard index. */
  readonly shards?: ReadonlyMap<number, ShardRecord>;
  readonly bindings?: BindingsRecord;
  readonly events?: EventsRecord;
}

/** Makes a change from what stands now; undefined: there is nothing to do any more. */
export type BuildChange = (mirror: ClusterMirror, bindings: BindingsRecord) => ClusterChange | undefined;

/** So many keys are removed at once; the store takes a few more in one transaction. */
const removedAtOnce = 100;

export interface RecordWriterOptions {
  readonly store: MetadataStore;
  readonly mirror: StoreMirror;
  readonly leadership: Leadership;
  /** Called once, when the mirror or the leadership can no longer be relied upon. */
  onEnd(reason: string): void;
}

export class RecordWriter {
  readonly #options: RecordWriterOptions;
  #tail: Promise<unknown> = Promise.resolve();
  #isEnded = false;

  constructor(options: RecordWriterOptions) {
    this.#options = options;
  }

  /** Nothing is written after this, not even what is queued. */
  stop(): void {
    this.#isEnded = true;
  }

  /** False once the leadership is known to be lost. True proves nothing; only a write does. */
  get mayWrite(): boolean {
    return !this.#isEnded && this.#options.leadership.held;
  }

  /** Creates or removes a namespace. Doing it twice is fine. */
  putNamespace(namespace: string): Promise<void> {
    return this.#serially(() => this.#write({ guards: [], puts: [{ key: keys.namespace(namespace), value: {} }] }));
  }

  removeNamespace(namespace: string): Promise<void> {
    return this.#serially(() => this.#write({ guards: [], removes: [keys.namespace(namespace)] }));
  }

  removeController(id: string): Promise<void> {
    return this.#serially(() => this.#write({ guards: [], removes: [keys.controller(id)] }));
  }

  /**
   * Writes a cluster that was not there, with its shards and bindings, at once.
   * @param check called when the write's turn has come; throws when the cluster may not be made any more.
   */
  createCluster(
    cluster: ClusterRecord,
    shards: readonly ShardRecord[],
    own: readonly BindingRecord[],
    check: () => void,
  ): Promise<void> {
    return this.#serially(async () => {
      check();
      const { namespace, name } = cluster;
      const key = keys.cluster(namespace, name);
      const shardKeys = shards.map((_, index) => keys.shard(namespace, name, index));
      const bindings = this.#bindingsWith(clusterKey(namespace, name), own);
      await this.#write({
        guards: [...[key, ...shardKeys].map((each) => ({ key: each, expected: 0 })), this.#bindingsGuard()],
        puts: [
          { key: keys.namespace(namespace), value: {} },
          { key, value: cluster },
          ...shards.map((shard, index) => ({ key: shardKeys[index] ?? '', value: shard })),
          { key: keys.bindings, value: bindings },
        ],
      });
    });
  }

  /** Removes a cluster with its shards, events and bindings, and what controllers said about it. */
  removeCluster(key: string): Promise<void> {
    return this.#serially(async () => {
      const { cluster } = this.#must(key);
      const { namespace, name } = cluster.value;
      const [first = [], ...rest] = chunked(this.#options.mirror.keysOf(key), removedAtOnce);
      await this.#write({
        guards: [{ key: keys.cluster(namespace, name), expected: cluster.revision }, this.#bindingsGuard()],
        puts: [{ key: keys.bindings, value: this.#bindingsWith(key, undefined) }],
        removes: [keys.cluster(namespace, name), ...first],
      });
      for (const removes of rest) await this.#write({ guards: [], removes });
    });
  }

  /**
   * Changes records of one cluster.
   * @returns false when there was nothing to do any more.
   */
  commit(key: string, build: BuildChange): Promise<boolean> {
    return this.#serially(async () => {
      const mirror = this.#must(key);
      const change = build(mirror, this.#options.mirror.bindings.value);
      if (change === undefined) return false;
      const written = this.#writtenBy(mirror, change);
      await this.#write({
        guards: written.map(({ key: each, revision }) => ({ key: each, expected: revision })),
        puts: written.map(({ key: each, value }) => ({ key: each, value })),
      });
      return true;
    });
  }

  #writtenBy(mirror: ClusterMirror, change: ClusterChange): (Written & { readonly revision: number })[] {
    const { namespace, name } = mirror.cluster.value;
    const written: (Written & { readonly revision: number })[] = [];
    const add = (key: string, before: Stored<unknown> | undefined, value: unknown): void => {
      if (value !== undefined) written.push({ key, revision: before?.revision ?? 0, value });
    };
    add(keys.cluster(namespace, name), mirror.cluster, change.cluster);
    for (const [index, value] of change.shards ?? [])
      add(keys.shard(namespace, name, index), mirror.shards[index], value);
    add(keys.bindings, this.#options.mirror.bindings, change.bindings);
    add(keys.events(namespace, name), mirror.events, change.events);
    return written;
  }

  #bindingsGuard(): RevisionGuard {
    return { key: keys.bindings, expected: this.#options.mirror.bindings.revision };
  }

  #bindingsWith(key: string, own: readonly BindingRecord[] | undefined): BindingsRecord {
    const others = Object.entries(this.#options.mirror.bindings.value.clusters).filter(([name]) => name !== key);
    return { clusters: Object.fromEntries(own === undefined ? others : [...others, [key, own]]) };
  }

  #must(key: string): ClusterMirror {
    const mirror = this.#options.mirror.cluster(key);
    if (mirror === undefined)
      throw new OperationError('CONTROLLER_CLUSTER_GONE', `cluster ${key} is gone`, { outcome: 'not-applied' });
    return mirror;
  }

  /** Writes and brings the mirror along. */
  async #write({ guards, puts = [], removes = [] }: Write): Promise<void> {
    const revision = await this.#transact({
      guards: guards.map(({ key, expected }) => ({ key, expected: expected === 0 ? 'absent' : expected })),
      puts: puts.map(({ key, value }) => ({ key, value: JSON.stringify(value) })),
      removes,
    });
    this.#options.mirror.note(revision, [...puts, ...removes.map((key) => ({ key, value: undefined }))]);
  }

  /**
   * @returns the revision of what was written.
   * @throws OperationError: of the store when nothing was written and it may be tried again; CONTROLLER_TERM_ENDED
   *   otherwise.
   */
  async #transact(transaction: Transaction): Promise<number> {
    const { store, leadership } = this.#options;
    if (this.#isEnded) throw termEnded('this controller does not lead any more', 'not-applied');
    const result = await store.transact({ ...transaction, leadership }).catch((error: unknown) => {
      if (!(error instanceof OperationError)) throw error;
      if (error.outcome === 'not-applied' && triedAgain.includes(error.code)) throw error;
      throw this.#end(`the metadata store failed: ${messageOf(error)}`, error.outcome);
    });
    if (result.ok) return result.revision;
    const changed = result.conflicts.map(({ key }) => key).join(', ');
    throw this.#end(`the metadata store has something else than this controller believed: ${changed}`, 'not-applied');
  }

  #end(reason: string, outcome: OperationError['outcome']): OperationError {
    if (!this.#isEnded) {
      this.#isEnded = true;
      this.#options.onEnd(reason);
    }
    return termEnded(reason, outcome);
  }

  #serially<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(run);
    this.#tail = result.catch(() => undefined);
    return result;
  }
}

/** Refusals of the store that say nothing against the mirror or the leadership. */
const triedAgain: readonly string[] = ['METADATA_WRITE_FAILED', 'METADATA_TOO_LARGE'];

interface RevisionGuard {
  readonly key: string;
  /** 0: the key is not there. */
  readonly expected: number;
}

interface Write {
  readonly guards: readonly RevisionGuard[];
  readonly puts?: readonly Written[];
  readonly removes?: readonly string[];
}

/** CONTROLLER_TERM_ENDED: this controller led when it was asked, and does not any more. */
function termEnded(reason: string, outcome: OperationError['outcome']): OperationError {
  return new OperationError('CONTROLLER_TERM_ENDED', reason, { outcome });
}

function chunked<T>(items: readonly T[], size: number): T[][] {
  const chunks: T[][] = [];
  for (let from = 0; from < items.length; from += size) chunks.push(items.slice(from, from + size));
  return chunks;
}

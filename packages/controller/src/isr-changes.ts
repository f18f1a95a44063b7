/**
 * Changes of a shard's in-sync replicas: the master proposes one in its heartbeat reply, the leader judges it and writes
 * it by compare-and-set, one at a time, and tells the master at once, which waits for it; the other nodes hear of it from
 * the topology reconciler. A proposal that is ignored is made again, or a better one, so nothing is remembered of it.
 */
import { OperationError } from '@holdfast/base';
import { judgeIsrRequest, parseIsrRequest, type IsrRequest, type ShardRecord } from '@holdfast/fencing';
import type { NodeWatch } from './node-watch.ts';
import { nodeViews } from './shard-facts.ts';
import { shardRecordOf, type ShardHost } from './shard-host.ts';
import { tellTogether, throwIfError } from './shard-steps.ts';

export class IsrChanges {
  readonly #host: ShardHost;
  readonly #index: number;
  #isChanging = false;
  /** The last proposal that was refused, so that it is told once. */
  #refusedText = '';

  constructor(host: ShardHost, index: number) {
    this.#host = host;
    this.#index = index;
  }

  /** Looks at what the reply of a node proposes, if anything. */
  consider(watch: NodeWatch): void {
    const text = watch.reply?.isrRequest ?? '';
    if (text === '' || this.#isChanging || !this.#host.mayAct) return;
    const record = shardRecordOf(this.#host, this.#index);
    const request = parseIsrRequest(text);
    if (request === undefined) return this.#refuse(record, text, `'${text}' is no ISR request`);
    const from = { nodeId: watch.node.id, processId: watch.reply?.processId ?? '' };
    const decision = judgeIsrRequest(record, from, request, nodeViews(this.#host, this.#index));
    if (decision.kind === 'change') return this.#change(watch, { before: record, record: decision.record, request });
    // One for a version that is over crossed the change that it asked for.
    const isLate = request.epoch < record.epoch || request.isrVersion < record.isrVersion;
    if (!isLate) this.#refuse(record, text, decision.reason);
  }

  #change(watch: NodeWatch, change: IsrChange): void {
    this.#isChanging = true;
    this.#commit(watch, change)
      .catch((error: unknown) => {
        if (!(error instanceof OperationError)) return this.#host.fatal(error);
        this.#host.logger.warn('a change of the ISR was not carried out', { shard: this.#index, error: error.message });
      })
      .finally(() => (this.#isChanging = false));
  }

  async #commit(watch: NodeWatch, { before, record, request }: IsrChange): Promise<void> {
    const isWritten = await this.#host.commit((mirror) =>
      mirror.shards[this.#index]?.value === before ? { shards: new Map([[this.#index, record]]) } : undefined,
    );
    if (!isWritten) return;
    this.#tellChanged(record, request);
    const { shard } = tellTogether(this.#host, watch, { name: false, record, topology: false });
    throwIfError(watch, 'SHARD', await shard);
    watch.beatNow();
  }

  #tellChanged({ epoch, isr, isrVersion }: ShardRecord, { change, member }: IsrRequest): void {
    const isAdded = change === '+';
    const what = `${member.nodeId} ${isAdded ? 'joined' : 'left'} the in-sync replicas, ${isr.length} with the master`;
    this.#host.events.add({
      kind: isAdded ? 'isr-expanded' : 'isr-shrunk',
      shard: this.#index,
      epoch,
      cause: 'master',
      message: `shard ${this.#index}: ${what} (version ${isrVersion})`,
    });
  }

  #refuse({ epoch }: ShardRecord, text: string, reason: string): void {
    if (text === this.#refusedText) return;
    this.#refusedText = text;
    const message = `shard ${this.#index}: ${reason}`;
    this.#host.events.add({ kind: 'isr-refused', shard: this.#index, epoch, cause: 'master', message });
  }
}

interface IsrChange {
  readonly before: ShardRecord;
  readonly record: ShardRecord;
  readonly request: IsrRequest;
}

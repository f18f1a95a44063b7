/**
 * A group of slots handed from one shard to another, as design 3 says it ("Slot handover"). None of it ships yet, so all
 * of it is the simulator's own: the source seals (writes get TRYAGAIN), the destination's in-sync set acknowledges the
 * copy, one compare-and-set moves owner and version, guarded by both epochs and the job; the topology goes to the source
 * first, and to the destination only when the source took it.
 */
import type { Controller } from './controller.ts';
import type { SimNode } from './sim-node.ts';
import type { StoreState } from './store.ts';

export interface HandoverJob {
  readonly id: number;
  readonly group: number;
  readonly from: number;
  readonly to: number;
  /** Epochs in which it began; another one ends it. */
  readonly fromEpoch: number;
  readonly toEpoch: number;
  /** `moved`: the compare-and-set was made, in this topology version. */
  readonly movedIn: number | undefined;
}

/** What a node's process knows of a handover. */
export interface HandoverEnd {
  readonly jobId: number;
  readonly group: number;
  readonly kind: 'sealed' | 'imported';
}

/** A job an operator asks for; undefined when the shards have something else to do. */
export function newJob(state: StoreState, group: number, id: number): HandoverJob | undefined {
  const from = state.owners[group];
  if (from === undefined || state.job !== undefined || state.shards.length < 2) return undefined;
  const to = 1 - from;
  const [source, destination] = [state.shards[from], state.shards[to]];
  if (source === undefined || destination === undefined || !isQuiet(state)) return undefined;
  return { id, group, from, to, fromEpoch: source.epoch, toEpoch: destination.epoch, movedIn: undefined };
}

function isQuiet({ shards }: StoreState): boolean {
  return shards.every(({ transition }) => transition === null);
}

function isSound(job: HandoverJob, state: StoreState): boolean {
  return (
    isQuiet(state) && state.shards[job.from]?.epoch === job.fromEpoch && state.shards[job.to]?.epoch === job.toEpoch
  );
}

/** What one leader knows of the job it carries out; another one begins again. */
export class HandoverProgress {
  #jobId = 0;
  #step: 'seal' | 'import' | 'move' = 'seal';
  #isBusy = false;

  /** Does what is next; called often. */
  run(controller: Controller): void {
    const { job } = controller.mirror;
    if (this.#isBusy) return;
    if (job === undefined) return this.#lift(controller);
    if (job.id !== this.#jobId) {
      this.#jobId = job.id;
      this.#step = 'seal';
    }
    if (job.movedIn !== undefined) return this.#finish(controller, job, job.movedIn);
    if (!isSound(job, controller.mirror))
      return this.#commit(controller, job, 'fails', (state) => ({ ...state, job: undefined }));
    if (this.#step === 'seal') return this.#tell(controller, job, job.from, 'seal', 'import');
    if (this.#step === 'import') return this.#tell(controller, job, job.to, 'import', 'move');
    this.#commit(controller, job, 'moves', (state) => {
      if (!isSound(job, state)) return undefined;
      const owners = state.owners.map((owner, group) => (group === job.group ? job.to : owner));
      return { ...state, owners, version: state.version + 1, job: { ...job, movedIn: state.version + 1 } };
    });
  }

  #tell(
    controller: Controller,
    job: HandoverJob,
    shard: number,
    kind: 'seal' | 'import',
    next: 'import' | 'move',
  ): void {
    const watch = controller.watchOf(controller.record(shard).masterId);
    this.#isBusy = true;
    const epoch = controller.record(shard).epoch;
    watch?.command({ kind, jobId: job.id, group: job.group, epoch }, 400, (reply) => {
      this.#isBusy = false;
      if (reply.kind === 'ok' && this.#jobId === job.id) this.#step = next;
    });
  }

  #commit(
    controller: Controller,
    job: HandoverJob,
    what: string,
    change: (state: StoreState) => StoreState | undefined,
  ): void {
    this.#isBusy = true;
    controller.world.note(controller.name, () => `handover ${job.id} of group ${job.group} ${what}`);
    const guarded = (state: StoreState): StoreState | undefined =>
      state.job?.id === job.id && state.job.movedIn === job.movedIn ? change(state) : undefined;
    controller.commit(`handover ${what}`, guarded, () => (this.#isBusy = false));
  }

  /** The source has it in its topology: now everybody may. */
  #finish(controller: Controller, job: HandoverJob, version: number): void {
    const { masterId, epoch } = controller.record(job.from);
    const reply = controller.watchOf(masterId)?.reply;
    if (reply === undefined || reply.epoch !== epoch || reply.role !== 'master' || reply.version < version) return;
    this.#commit(controller, job, 'is done', (state) => ({ ...state, job: undefined }));
  }

  /** Seals of jobs that are no more. */
  #lift(controller: Controller): void {
    if (this.#jobId === 0) return;
    for (const { masterId } of controller.mirror.shards)
      controller.watchOf(masterId)?.command({ kind: 'lift', jobId: this.#jobId }, 300, () => undefined);
  }
}

/** Whether the node may have the store's topology: not the destination's side before the source took it. */
export function mayHaveTopology(controller: Controller, node: SimNode): boolean {
  const { job } = controller.mirror;
  return job?.movedIn === undefined || node.shard === job.from;
}

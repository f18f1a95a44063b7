/** A node: its machine and its directory, which outlive its processes. */
import { OperationError } from '@holdfast/base';
import { makeRandomId } from '@holdfast/fencing';
import type { LeaseAnswer } from '@holdfast/node/decisions';
import { judgeVersion } from '@holdfast/topology';
import { versionOf } from './sim-topology.ts';
import type { HandoverEnd } from './handover.ts';
import type { Machine } from './machine.ts';
import { NodeDisk, type Entry, type ToyEngine } from './node-disk.ts';
import { NodeProcess } from './node-process.ts';
import type { World } from './world.ts';

export class SimNode {
  readonly world: World;
  readonly name: string;
  readonly id: string;
  readonly shard: number;
  readonly machine: Machine;
  disk: NodeDisk = new NodeDisk();
  process: NodeProcess | undefined;
  /** Slots that its process has sealed or imported. */
  handover: HandoverEnd | undefined;
  /** The newest handover whose copy it took; IMPORT names an epoch, so a restart need not remember it. */
  importedJobId = 0;
  /** Highest (epoch, isr-version) this directory ever obeyed; a wiped directory begins anew. */
  obeyed = { epoch: 0, isrVersion: 0 };
  #runs = 0;

  constructor(world: World, machine: Machine, shard: number) {
    this.world = world;
    this.machine = machine;
    this.name = machine.name;
    this.shard = shard;
    this.id = machine.name.padEnd(40, '0');
  }

  note(event: string | (() => string)): void {
    this.world.note(this.name, event);
  }

  /** The next start makes it another log: there is none, or the machine went down under it. */
  get willDrawLogId(): boolean {
    const wentDown = this.disk.logBootId !== this.machine.bootId && !this.world.switches.resetKeepsLogId;
    return this.disk.logId === '' || wentDown;
  }

  drawLogId(): string {
    return makeRandomId(this.world.dice);
  }

  /** The process starts: what the real node's start does with log id and rewind marker, then the rest. */
  start(): void {
    if (this.process !== undefined) return;
    const { disk, machine } = this;
    if (this.willDrawLogId) disk.logId = this.drawLogId();
    disk.logBootId = machine.bootId;
    if (disk.rewindTo !== undefined) this.#rewind(disk.rewindTo, undefined);
    this.#runs += 1;
    if (!this.world.cluster.options.keepsTopology) disk.topology = undefined;
    this.process = new NodeProcess(this, `process${this.name}${String(this.#runs).padStart(3, '0')}`);
    this.note(() => `starts as ${this.process?.processId} with log ${disk.logId.slice(0, 4)}.. of ${disk.log.length}`);
    this.world.judge.logMoved(this);
  }

  /** The second half of a rewind, also after a crash in the middle of it. */
  finishRewind(engine: ToyEngine): void {
    if (this.disk.rewindTo !== undefined) this.#rewind(this.disk.rewindTo, engine);
  }

  #rewind(to: number, engine: ToyEngine | undefined): void {
    const { disk } = this;
    const given = disk.log.slice(to);
    this.logChanging('a rewind', disk.log.slice(0, to));
    if (engine === undefined) disk.log.length = Math.min(disk.log.length, to);
    else engine.truncate(to);
    disk.synced = disk.log.length;
    if (this.world.switches.staleWalAfterRewind) for (const entry of given) disk.staleWal.set(entry.sequence, entry);
    disk.rewindTo = undefined;
    this.world.judge.logMoved(this);
  }

  /** The log is about to become `next`: what it loses must be in a rollback file. */
  logChanging(by: string, next: readonly Entry[]): void {
    this.world.judge.givesUp(this, by, next);
  }

  saveFence(text: string): void {
    if (this.disk.isFull)
      throw new OperationError('SIM_DISK_FULL', 'no space for fence.conf', { outcome: 'not-applied' });
    this.disk.fenceConf = text;
  }

  setTopology(payload: string, version: number): LeaseAnswer {
    const verdict = judgeVersion(versionOf(this.disk.topology?.version ?? -1), versionOf(version), false);
    if (verdict === 'refuse') return { kind: 'refused', error: 'ERR Invalid version of cluster' };
    if (verdict === 'apply') this.#takeTopology({ payload, version });
    return { kind: 'ok' };
  }

  /** SETNODES FORCE: versions do not matter. An unarmed node would be whatever it says. */
  forceTopology(topology: { readonly payload: string; readonly version: number }): void {
    if (this.process?.keeper.armed === true) this.#takeTopology(topology);
  }

  #takeTopology(topology: { readonly payload: string; readonly version: number }): void {
    this.disk.topology = topology;
    this.world.cluster.topologies.push(topology);
    this.note(() => `has topology ${topology.version}`);
    this.process?.topologyChanged();
  }

  /** kill -9. */
  kill(): void {
    this.#end(false);
    this.note('is killed');
  }

  #end(isQuiet: boolean): void {
    this.process?.kill(isQuiet);
    this.process = undefined;
    this.handover = undefined;
  }

  /** The machine goes down and loses a suffix of what was not synced. */
  powerOff(): void {
    this.#end(true);
    const { disk, machine } = this;
    const before = disk.log.length;
    disk.loseUnsynced(this.world.dice.between(0, 1.3) > 1 ? 1 : this.world.dice.between(0, 1));
    machine.boot();
    this.note(() => `loses its power, and ${before - disk.log.length} of ${before} entries`);
  }

  /** Somebody deletes its directory. */
  wipe(): void {
    this.#end(false);
    this.disk = new NodeDisk();
    this.obeyed = { epoch: 0, isrVersion: 0 };
    this.note('is killed and its directory wiped');
  }
}

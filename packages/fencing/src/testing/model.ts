/**
 * A small world for the pure protocol core: three nodes, one controller at a time, an unreliable network, stopped and
 * killed processes, clocks of slightly different speed, all from a seed. After every event: at most one process would be
 * believed, and no epoch was ever held by two processes.
 */
import { randomBelow, seededRandom, type Random } from '@holdfast/base';
import type { ShardRecord } from '../shard-record.ts';
import { fenceTimes, type FenceTimes } from '../times.ts';
import { ModelController, type ModelStore } from './model-controller.ts';
import { ModelNode, type Message, type PlantedFault } from './model-node.ts';
import { logIdOf, nodeIdOf, processIdOf } from './samples.ts';

export interface ModelOptions {
  readonly seed: number;
  readonly fault?: PlantedFault | undefined;
  /** The controller dies before this step (counted from 0) and is started again. */
  readonly dieAtStep?: number;
}

const names = ['a', 'b', 'c'];

export class Model {
  readonly times: FenceTimes = fenceTimes({ leaseMs: 1000, repeatAfterMs: 1000 });
  readonly nodes: readonly ModelNode[];
  readonly store: ModelStore;
  readonly random: Random;
  nowMs = 100_000;
  /** Every epoch's process that was ever believed. */
  readonly believedProcesses: Map<number, string> = new Map();
  violations: string[] = [];
  /** Share of messages lost, per thousand. */
  lossPerMille = 0;
  /** Names of the steps the controllers performed, in order. */
  readonly performed: string[] = [];
  readonly #options: ModelOptions;
  #controller: ModelController;
  #lastMaster: ModelNode | undefined;
  #mail: { readonly dueMs: number; deliver(): void }[] = [];

  constructor(options: ModelOptions) {
    this.#options = options;
    this.random = seededRandom(options.seed);
    this.nodes = names.map((name) => {
      const offsetMs = randomBelow(this.random, 1_000_000);
      const speed = 1 + (randomBelow(this.random, 9) - 4) / 1000;
      return new ModelNode(name, { at: (worldMs) => offsetMs + worldMs * speed }, options.fault);
    });
    this.store = { record: firstRecord(this.times.leaseMs), version: 1 };
    this.#controller = this.startController();
  }

  startController(): ModelController {
    const send = (name: string, message: Message): void => this.#send(name, message);
    const dies = (step: string): boolean => this.performed.push(step) - 1 === this.#options.dieAtStep;
    const { times, store } = this;
    this.#controller = new ModelController({ names, times, store, fault: this.#options.fault, send, dies }, this.nowMs);
    return this.#controller;
  }

  get controller(): ModelController {
    return this.#controller;
  }

  /** Advances the world by `byMs` in steps of 5 ms. */
  run(byMs: number): void {
    for (const endMs = this.nowMs + byMs; this.nowMs < endMs; this.nowMs += 5) {
      const due = this.#mail.filter(({ dueMs }) => dueMs <= this.nowMs);
      this.#mail = this.#mail.filter(({ dueMs }) => dueMs > this.nowMs);
      for (const { deliver } of due) {
        deliver();
        this.check();
      }
      this.#controller.tick(this.nowMs);
      if (this.#controller.isDead) this.startController();
      this.#replicate();
      this.check();
    }
  }

  check(): void {
    const believed = this.nodes.filter((node) => node.isBelieved(this.nowMs));
    if (believed.length > 1)
      this.violations.push(
        `at ${this.nowMs}: ${believed.map(({ name, record }) => `${name}@${record.epoch}`).join(' and ')}`,
      );
    for (const { own, record } of believed) {
      const other = this.believedProcesses.get(record.epoch) ?? own.processId;
      if (other !== own.processId) this.violations.push(`epoch ${record.epoch}: ${other} and ${own.processId}`);
      this.believedProcesses.set(record.epoch, own.processId);
    }
  }

  node(name: string): ModelNode {
    const node = this.nodes.find((each) => each.name === name);
    if (node === undefined) throw new Error(`no node ${name}`);
    return node;
  }

  believedName(): string | undefined {
    return this.nodes.find((node) => node.isBelieved(this.nowMs))?.name;
  }

  resume(name: string): void {
    this.node(name).resume(this.nowMs, () => this.check());
  }

  /** One random misfortune, or its end. */
  disturb(): void {
    const node = this.nodes[randomBelow(this.random, names.length)];
    if (node === undefined) return;
    const dice = randomBelow(this.random, 12);
    if (node.isDead) node.start(this.nowMs);
    else if (node.isStopped) this.resume(node.name);
    else if (dice < 4) node.isStopped = true;
    else if (dice < 6) node.kill();
    else if (dice < 8) this.#controller.switchTo(nodeIdOf(node.name));
    else if (dice < 9) this.startController();
    else this.lossPerMille = randomBelow(this.random, 3) * 150;
  }

  /** Ends every misfortune. */
  heal(): void {
    this.lossPerMille = 0;
    for (const node of this.nodes) {
      if (node.isDead) node.start(this.nowMs);
      if (node.isStopped) this.resume(node.name);
    }
  }

  #send(name: string, message: Message): void {
    const answerLater =
      <T>(answer: (value: T) => void) =>
      (value: T): void =>
        this.#post(() => answer(value));
    const wired =
      'answer' in message ? { ...message, answer: answerLater(message.answer as (v: unknown) => void) } : message;
    this.#post(() => this.node(name).receive(wired as Message, this.nowMs));
  }

  /** Mostly quick, sometimes late, sometimes never, and not always in order. */
  #post(deliver: () => void): void {
    if (randomBelow(this.random, 1000) < this.lossPerMille) return;
    const isLate = this.lossPerMille > 0 && randomBelow(this.random, 10) === 0;
    this.#mail.push({ dueMs: this.nowMs + randomBelow(this.random, isLate ? 1500 : 8), deliver });
  }

  /** Replicas follow the last master for as long as it runs, also after it resigned. */
  #replicate(): void {
    const master = this.nodes.find((node) => node.isBelieved(this.nowMs));
    if (master !== undefined) {
      master.sequence += 1;
      this.#lastMaster = master;
    }
    const source = this.#lastMaster;
    if (source === undefined || source.isStopped || source.isDead) return;
    for (const node of this.nodes)
      if (!node.isStopped && !node.isDead && randomBelow(this.random, 3) === 0) node.sequence = source.sequence;
  }
}

function firstRecord(leaseMs: number): ShardRecord {
  return {
    epoch: 1,
    isrVersion: 0,
    leaseMs,
    masterId: nodeIdOf('a'),
    processId: processIdOf('a'),
    isr: [{ nodeId: nodeIdOf('a'), logId: logIdOf('a') }],
    controllers: [],
    transition: {
      kind: 'creation',
      cause: 'created',
      fromMasterId: '-',
      fromEpoch: 0,
      startedAtMs: 0,
      announced: true,
    },
    changedAtMs: 0,
  };
}

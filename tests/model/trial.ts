/**
 * One run of the model test: random units, pipelined, against a real node, and the node killed in between.
 *
 * After a kill -9 the operating system still has what the process wrote: everything that was acknowledged must be there,
 * and of what was under way a first part of it, unit by unit. So the state found must be that of the model after as many
 * units as were acknowledged, or after one, two, ... more.
 */
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import type { NodeProcess } from '../support/node-process.ts';
import { kinds, probes, run } from './families.ts';
import { Generator } from './generator.ts';
import { Keyspace } from './keyspace.ts';
import { differs, type Expected } from './reply.ts';
import { restartIds } from './streams.ts';
import { randomUnit, requestsOf, runUnit, type Unit } from './unit.ts';
import { Wire } from './wire.ts';

export interface TrialOptions {
  readonly seed: number;
  /** Starts the node, again and again in the same directory. */
  start(): Promise<NodeProcess>;
}

/** Commands that a failure shows. */
const shownUnits = 40;
/** Units that are remembered to choose these from. */
const keptUnits = 4000;
/** A time to live that is left to end before the next commands. */
const shortMs = 60_000;

export class Trial {
  readonly generator: Generator;
  readonly keys: Keyspace = new Keyspace();
  readonly #options: TrialOptions;
  /** The last units, oldest first. */
  readonly #recent: string[] = [];
  #node: NodeProcess | undefined;
  #wire: Wire | undefined;
  #protocol: 2 | 3 = 2;
  units = 0;
  kills = 0;
  /** How many units beyond the acknowledged ones were found after kills. */
  unacknowledgedFound = 0;

  constructor(options: TrialOptions) {
    this.#options = options;
    this.generator = new Generator(options.seed, kinds);
    restartIds();
  }

  get node(): NodeProcess {
    assert.ok(this.#node !== undefined);
    return this.#node;
  }

  get wire(): Wire {
    assert.ok(this.#wire !== undefined);
    return this.#wire;
  }

  async start(): Promise<void> {
    this.#node = await this.#options.start();
    this.#protocol = this.generator.pick([2, 3]);
    this.#wire = await Wire.connect(this.#node.port);
    assert.match(await this.#wire.ask('HELLO', String(this.#protocol)), this.#protocol === 3 ? /^%/ : /^\*/);
  }

  /** Runs about so many units and compares every reply. */
  async go(units: number): Promise<void> {
    for (const end = this.units + units; this.units < end;) {
      await this.#settle();
      const batch = this.#batch();
      await this.#exchange(batch);
    }
  }

  /** Ends the node in the middle of a batch, starts it again and looks what is there. */
  async kill(): Promise<void> {
    await this.#settle();
    this.generator.exactOnly = true;
    const batch = Array.from({ length: 200 }, () => this.#next());
    this.generator.exactOnly = false;
    const requests = batch.map(requestsOf);
    const killedAfter = this.generator.below(requests.length);
    this.keys.sinceMs = Date.now();
    // One by one, so that they stand in many ticks; the signal goes out while they are under way.
    for (const [sent, request] of requests.entries()) {
      this.wire.send(request);
      if (sent === killedAfter) this.node.signal('SIGKILL');
      if (sent % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await this.node.exited();
    const replies = await this.wire.replies(requests.flat().length);
    this.keys.untilMs = Date.now();
    this.kills++;
    this.#recent.push(`-- kill -9 after ${replies.length} of ${requests.flat().length} replies`);
    const [first, ...later] = this.#statesAfter(batch, replies);
    assert.ok(first !== undefined);
    await this.start();
    await this.#becomeOneOf([first, ...later]);
  }

  async stop(): Promise<void> {
    this.#wire?.close();
    this.node.signal('SIGTERM');
    assert.equal(await this.node.exited(), 0);
  }

  /** Compares everything that is there, once what was about to die is dead. */
  async compareAll(): Promise<void> {
    await this.#settle();
    const wrong = await this.#wrongIn(this.keys);
    if (wrong !== undefined) this.#fail(wrong.reason);
  }

  /** Sends one command that the model does not know. */
  async also(...command: string[]): Promise<string> {
    this.#recent.push(JSON.stringify(command));
    return this.wire.ask(...command);
  }

  #next(): Unit {
    const unit = randomUnit(this.generator);
    this.units++;
    this.#recent.push(`${unit.kind} ${JSON.stringify(unit.commands)}`);
    if (this.#recent.length > keptUnits) this.#recent.splice(0, keptUnits / 2);
    return unit;
  }

  #batch(): Unit[] {
    const batch: Unit[] = [];
    const size = 1 + this.generator.below(60);
    while (batch.length < size) {
      const unit = this.#next();
      batch.push(unit);
      if (unit.fleeting === true) break;
    }
    return batch;
  }

  async #exchange(batch: readonly Unit[]): Promise<void> {
    const requests = batch.map(requestsOf);
    this.keys.sinceMs = Date.now();
    this.wire.send(requests.flat());
    const replies = await this.wire.replies(requests.flat().length);
    this.keys.untilMs = Date.now();
    let at = 0;
    batch.forEach((unit) => {
      at += this.#compare(unit, replies.slice(at, at + requestsOf(unit).length));
    });
  }

  /** @returns how many replies the unit took. */
  #compare(unit: Unit, replies: readonly string[]): number {
    const expected = runUnit(this.keys, unit);
    expected.forEach((one, i) => {
      const reply = replies[i];
      if (reply === undefined) this.#fail(`the connection ended at ${unit.kind} ${JSON.stringify(unit.commands)}`);
      const wrong = differs(reply, one, this.#protocol);
      if (wrong === undefined) return;
      const asked = `${unit.kind} ${JSON.stringify(unit.commands)}, request ${i}`;
      this.#fail(`${asked} (RESP${this.#protocol})\nwas answered ${JSON.stringify(reply.slice(0, 2000))}\n${wrong}`);
    });
    return expected.length;
  }

  /** States that may be found: after all units that were acknowledged, and after each one more. */
  #statesAfter(batch: readonly Unit[], replies: readonly string[]): Keyspace[] {
    let at = 0;
    let sent = 0;
    for (; sent < batch.length; sent++) {
      const unit = batch[sent] as Unit;
      const count = requestsOf(unit).length;
      if (at + count > replies.length) break;
      at += this.#compare(unit, replies.slice(at, at + count));
    }
    const states = [this.keys.copy()];
    for (const unit of batch.slice(sent)) {
      runUnit(this.keys, unit);
      states.push(this.keys.copy());
    }
    return states;
  }

  async #becomeOneOf(states: readonly Keyspace[]): Promise<void> {
    // Of the state that is right for longest.
    let [reason, right] = ['', -1];
    for (const [more, state] of states.entries()) {
      this.keys.entries = state.entries;
      await this.#settle();
      const wrong = await this.#wrongIn(this.keys);
      if (wrong === undefined) {
        this.unacknowledgedFound += more;
        return;
      }
      if (wrong.after > right) [reason, right] = [`after ${more} more: ${wrong.reason}`, wrong.after];
    }
    this.#fail(`what is there after kill -9 is no state of ${states.length}; the nearest, ${reason}`);
  }

  /** @returns the first reply that shows another state, and after how many that are right it comes. */
  async #wrongIn(state: Keyspace): Promise<{ reason: string; after: number } | undefined> {
    const asked = probes(state, this.generator.keys);
    this.wire.send(asked);
    const replies = await this.wire.replies(asked.length);
    for (const [i, command] of asked.entries()) {
      const expected: Expected = run(state, command);
      const wrong = differs(replies[i] ?? '', expected, this.#protocol);
      if (wrong !== undefined) {
        const reason = `${command.join(' ')} was answered ${JSON.stringify(replies[i])}\n${wrong}`;
        return { reason, after: i };
      }
    }
    return undefined;
  }

  /** Waits until nothing lives that is about to die. */
  async #settle(): Promise<void> {
    for (;;) {
      const now = Date.now();
      this.keys.sweep(now);
      const soon = [...this.keys.entries.values()].flatMap(({ dies }) =>
        dies !== undefined && dies.toMs < now + shortMs ? [dies.toMs] : [],
      );
      if (soon.length === 0) return;
      await pause(Math.max(...soon) - now + 1);
    }
  }

  /** Shows the last units; of those that name a key of the failed one, if it is known, as many again. */
  #fail(what: string): never {
    const names = what.match(/\{[abc]\}[a-z]+2?\b/g) ?? [];
    const related = this.#recent.filter((unit) => names.some((name) => unit.includes(`"${name}"`)));
    const shown = [...(names.length > 0 ? related.slice(-shownUnits) : []), '...', ...this.#recent.slice(-shownUnits)];
    assert.fail(`seed ${this.#options.seed}: ${what}\nthe last of ${this.units} units:\n${shown.join('\n')}`);
  }
}

/**
 * Trap 10: clients that wait when their master stops being one. Each is parked in one kind of wait, straight at a node:
 * a blocking pop, a blocking read of a stream, WAIT, a transaction that is half queued, a subscription. When the role has
 * gone elsewhere, each has to be told so or cut, and nothing of them is executed any more: what the new master is given
 * for them stays there.
 */
import { OperationError, type Endpoint } from '@holdfast/base';
import { ReplyError, RespClient, itemsOf, type Reply } from '@holdfast/resp';
import { parseEndpoint, type ConnectionSettings } from './connection.ts';
import type { DrillViolation } from './drill-report.ts';
import type { ShardKeys } from './keys.ts';

/** A wait ends within so long after its node could know that it is no master any more. Generous: the machine is busy. */
export const endsWithinMs = 5000;
/** As long as anything is waited for here. */
const foreverMs = 600_000;
const parkWithinMs = 1000;
const lookEveryMs = 20;

export interface ParkedWorld {
  readonly connection: ConnectionSettings;
  readonly keys: ShardKeys;
  /** Tells the waits of one call from those of another. */
  readonly name: string;
  nowMs(): number;
  sleep(delayMs: number): Promise<void>;
}

interface Parked {
  readonly what: string;
  readonly client: RespClient;
  /** What came in the end, and when; undefined as long as it waits. */
  answer: { readonly text: string; readonly isResult: boolean } | undefined;
  endedMs: number | undefined;
}

/** Counts for the report. */
export interface ParkedFigures {
  readonly parked: number;
  /** Told by an error. */
  readonly told: number;
  /** Cut without a word. */
  readonly cut: number;
}

interface Wait {
  readonly what: string;
  /** Answered before the wait begins, each in turn. */
  readonly before: readonly (readonly string[])[];
  readonly wait: readonly string[] | null;
}

export class ParkingLot {
  readonly #world: ParkedWorld;
  readonly #parked: Parked[] = [];
  readonly #transactions: Parked[] = [];
  readonly #list: string;
  readonly #stream: string;
  readonly #key: string;

  constructor(world: ParkedWorld) {
    this.#world = world;
    const { log } = world.keys.mixed;
    const prefix = `${log}-parked-${world.name}`;
    [this.#list, this.#stream, this.#key] = [`${prefix}-list`, `${prefix}-stream`, `${prefix}-key`];
  }

  /** Parks one client in each kind of wait at a node. One that does not come to wait there is left out. */
  async park(address: string): Promise<void> {
    const endpoint = parseEndpoint(address);
    await Promise.all(this.#waits().map((wait) => this.#parkOne(endpoint, wait).catch(() => undefined)));
  }

  #waits(): readonly Wait[] {
    return [
      { what: 'BLPOP', before: [], wait: ['BLPOP', this.#list, '0'] },
      { what: 'XREAD BLOCK', before: [], wait: ['XREAD', 'BLOCK', '0', 'STREAMS', this.#stream, '$'] },
      { what: 'WAIT', before: [], wait: ['WAIT', '100', '0'] },
      { what: 'MULTI', before: [['MULTI'], ['SET', this.#key, 'parked']], wait: null },
      { what: 'SUBSCRIBE', before: [['SUBSCRIBE', `parked-${this.#world.name}`]], wait: null },
    ];
  }

  async #parkOne(endpoint: Endpoint, { what, before, wait }: Wait): Promise<void> {
    const { connection, nowMs } = this.#world;
    const { connector, timers, connectTimeoutMs } = connection;
    const end = (): void => void (parked.endedMs ??= nowMs());
    const client = await RespClient.connect(connector, endpoint, {
      ...{ timers, connectTimeoutMs, commandTimeoutMs: parkWithinMs },
      onClose: end,
    });
    const parked: Parked = { what, client, answer: undefined, endedMs: undefined };
    for (const args of before) {
      const reply = await client.command(...args);
      if (reply instanceof ReplyError) return client.close();
    }
    if (wait !== null) this.#await(parked, client.call(wait, { timeoutMs: foreverMs }));
    if (what === 'MULTI') this.#transactions.push(parked);
    this.#parked.push(parked);
  }

  #await(parked: Parked, reply: Promise<Reply>): void {
    reply.then(
      (value) => {
        parked.answer = { text: describe(value), isResult: isResult(value) };
        parked.endedMs ??= this.#world.nowMs();
      },
      () => undefined, // The end of the connection was told already.
    );
  }

  /** Those that wait now; the others have been answered already and are forgotten. To be called before the role changes. */
  begin(): void {
    const waiting = this.#parked.filter(({ answer, endedMs }) => answer === undefined && endedMs === undefined);
    for (const parked of this.#parked) if (!waiting.includes(parked)) parked.client.close();
    this.#parked.splice(0, this.#parked.length, ...waiting);
  }

  /** Sends EXEC behind what is queued in transactions: it has to be refused, whenever it is read. */
  execute(): void {
    for (const parked of this.#transactions)
      if (parked.client.isOpen && parked.answer === undefined)
        this.#await(parked, parked.client.call(['EXEC'], { timeoutMs: foreverMs }));
  }

  /**
   * Gives the new master what they waited for, waits for their ends, and looks whether anything of them was executed.
   * @param entry where the new master is reached; undefined when nobody else became master: then what they get is right.
   */
  async judge(
    entry: string | undefined,
  ): Promise<{ readonly violations: DrillViolation[]; readonly figures: ParkedFigures }> {
    if (entry === undefined) {
      for (const { client } of this.#parked) client.close();
      return { violations: [], figures: { parked: 0, told: 0, cut: 0 } };
    }
    const deadlineMs = this.#world.nowMs() + endsWithinMs;
    const gifts = this.#parked.length > 0 ? await this.#give(entry) : [];
    while (this.#parked.some(({ endedMs }) => endedMs === undefined) && this.#world.nowMs() < deadlineMs)
      await this.#world.sleep(lookEveryMs);
    const violations: DrillViolation[] = [];
    const blame = (kind: DrillViolation['kind'], message: string): void =>
      void violations.push({ kind, message, operations: [] });
    for (const { what, answer, endedMs, client } of this.#parked) {
      if (endedMs === undefined) blame('waiter-not-ended', `${what} still waits at a node that lost its role`);
      else if (answer?.isResult === true) blame('waiter-executed', `${what} was answered ${answer.text}`);
      client.close();
    }
    if (gifts.length > 0) for (const message of await this.#missing(entry)) blame('waiter-executed', message);
    const told = this.#parked.filter(({ answer }) => answer !== undefined && !answer.isResult).length;
    const cut = this.#parked.filter(({ answer, endedMs }) => answer === undefined && endedMs !== undefined).length;
    return { violations, figures: { parked: this.#parked.length, told, cut } };
  }

  #give(entry: string): Promise<Reply[]> {
    return this.#ask(entry, [
      ['RPUSH', this.#list, 'gift'],
      ['XADD', this.#stream, '*', 'value', 'gift'],
    ]);
  }

  /** What the new master should have and has not, or should not have and has. */
  async #missing(entry: string): Promise<string[]> {
    const [length, value] = await this.#ask(entry, [
      ['LLEN', this.#list],
      ['GET', this.#key],
    ]);
    const messages: string[] = [];
    if (length === 0) messages.push(`an element of ${this.#list} that was pushed after the role change was taken`);
    if (value !== null && value !== undefined && !(value instanceof ReplyError))
      messages.push(`the transaction that was half queued has set ${this.#key}`);
    return messages;
  }

  /** @returns the replies; none when one of them is no answer: then there is nothing to look for. */
  async #ask(entry: string, commands: readonly (readonly string[])[]): Promise<Reply[]> {
    const { connector, timers, connectTimeoutMs, commandTimeoutMs } = this.#world.connection;
    try {
      const options = { timers, connectTimeoutMs, commandTimeoutMs };
      const client = await RespClient.connect(connector, parseEndpoint(entry), options);
      try {
        const replies = await Promise.all(commands.map((args) => client.command(...args)));
        return replies.some((reply) => reply instanceof ReplyError) ? [] : replies;
      } finally {
        client.close();
      }
    } catch (error) {
      if (error instanceof OperationError) return [];
      throw error;
    }
  }
}

/** Whether a reply says that what was waited for, or queued, was done. The end of WAIT says how many there are: nothing. */
function isResult(reply: Reply): boolean {
  return (itemsOf(reply)?.length ?? 0) > 0;
}

function describe(reply: Reply): string {
  return reply instanceof ReplyError ? reply.message : JSON.stringify(reply);
}

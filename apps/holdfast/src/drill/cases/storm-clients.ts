/**
 * Thousands of client connections that do next to nothing, until they are all cut at once: then each comes back as fast as
 * it can, as client libraries do, with a handshake, a question for the topology and a command. They are kept as cheap as
 * connections can be, since the cluster shares this machine.
 */
import {
  assert,
  formatEndpoint,
  messageOf,
  randomBelow,
  type Connector,
  type Endpoint,
  type Random,
  type Transport,
} from '@holdfast/base';

export interface StormWorld {
  readonly connector: Connector;
  readonly random: Random;
  nowMs(): number;
  sleep(ms: number): Promise<void>;
}

/** At most so many connections are being opened at a time before the storm. */
const openingAtOnce = 100;
const connectTimeoutMs = 5000;
const replyTimeoutMs = 5000;
/** Between two tries of a client that was not served: at least, and at most. */
const retryMs = [10, 110] as const;
/** One PING per client about every so often. */
const idleMs = 20_000;
const idleTickMs = 100;

export class StormClients {
  readonly #world: StormWorld;
  readonly #endpoint: Endpoint;
  readonly #clients: StormClient[];
  #isOver = false;

  /** @param key of the shard that the endpoint leads to. */
  constructor(world: StormWorld, endpoint: Endpoint, key: string, count: number) {
    assert(count > 0, 'a storm has clients');
    this.#world = world;
    this.#endpoint = endpoint;
    this.#clients = Array.from({ length: count }, (_, i) => new StormClient(world, endpoint, key, `storm-${i}`));
  }

  /** Connects all, a few at a time. @throws RangeError when many cannot be. */
  async open(): Promise<void> {
    const waiting = [...this.#clients];
    const open = async (): Promise<void> => {
      for (let client = waiting.pop(); client; client = waiting.pop()) await client.serveOnce();
    };
    await Promise.all(Array.from({ length: openingAtOnce }, open));
    const served = this.#clients.filter(({ isServed }) => isServed).length;
    if (served < this.#clients.length) {
      const reason = this.#clients.find(({ lastFailure }) => lastFailure !== '')?.lastFailure ?? 'no answer';
      throw new RangeError(
        `only ${served} of ${this.#clients.length} connections to ${formatEndpoint(this.#endpoint)} were served ` +
          `(${reason}); is the limit of open files (ulimit -n) below three times their number?`,
      );
    }
    void this.#idle();
  }

  /** From now on a client whose connection is lost comes back at once. */
  unleash(): void {
    for (const client of this.#clients) client.comesBack = true;
  }

  /** Milliseconds from `sinceMs` to the moment each client was served again, of those that are. */
  recoveriesMs(sinceMs: number): number[] {
    return this.#clients
      .filter(({ isServed, servedMs }) => isServed && servedMs >= sinceMs)
      .map(({ servedMs }) => servedMs - sinceMs)
      .sort((a, b) => a - b);
  }

  get areServed(): boolean {
    return this.#clients.every(({ isServed }) => isServed);
  }

  /** Connections tried and not served since `unleash`: how many, by reason. */
  get failures(): ReadonlyMap<string, number> {
    const failures = new Map<string, number>();
    for (const client of this.#clients)
      for (const reason of client.failures) failures.set(reason, (failures.get(reason) ?? 0) + 1);
    return failures;
  }

  close(): void {
    this.#isOver = true;
    for (const client of this.#clients) client.close();
  }

  async #idle(): Promise<void> {
    const perTick = Math.ceil((this.#clients.length * idleTickMs) / idleMs);
    for (let at = 0; !this.#isOver; at += perTick) {
      await this.#world.sleep(idleTickMs);
      for (let i = 0; i < perTick; i++) this.#clients[(at + i) % this.#clients.length]?.ping();
    }
  }
}

class StormClient {
  comesBack = false;
  isServed = false;
  servedMs = -Infinity;
  readonly failures: string[] = [];
  lastFailure = '';
  readonly #world: StormWorld;
  readonly #endpoint: Endpoint;
  readonly #greeting: Buffer;
  readonly #lastReply: string;
  #transport: Transport | undefined;
  #isClosed = false;

  constructor(world: StormWorld, endpoint: Endpoint, key: string, name: string) {
    this.#world = world;
    this.#endpoint = endpoint;
    this.#lastReply = `${name}\r\n`;
    this.#greeting = Buffer.from(`HELLO 2\r\nCLUSTER SLOTS\r\nGET ${key}\r\nPING ${name}\r\n`);
  }

  /** Tries once. */
  async serveOnce(): Promise<void> {
    let transport: Transport;
    try {
      transport = await this.#world.connector.connect(this.#endpoint, { timeoutMs: connectTimeoutMs });
    } catch (error) {
      this.#failed(messageOf(error));
      return;
    }
    this.#transport = transport;
    const isServed = await this.#greet(transport);
    if (isServed) {
      this.isServed = true;
      this.servedMs = this.#world.nowMs();
    } else transport.destroy();
  }

  ping(): void {
    if (this.isServed) this.#transport?.write(Buffer.from('PING\r\n'));
  }

  close(): void {
    this.#isClosed = true;
    this.#transport?.destroy();
  }

  /** @returns whether everything asked was answered, without an error. */
  #greet(transport: Transport): Promise<boolean> {
    return new Promise((resolve) => {
      let replies = '';
      let isGreeted = false;
      const end = (reason: string): void => {
        if (reason !== '' && !isGreeted) this.#failed(reason);
        isGreeted = true;
        resolve(reason === '');
      };
      transport.listen({
        onData: (chunk) => {
          if (isGreeted) return; // PONG
          replies += chunk.toString('latin1');
          if (/(^|\n)-/.test(replies))
            end(
              replies
                .slice(replies.search(/(^|\n)-/))
                .trim()
                .slice(0, 80),
            );
          else if (replies.endsWith(this.#lastReply)) end('');
        },
        onEnd: () => transport.destroy(),
        onClose: () => {
          end('connection lost');
          this.#lost();
        },
      });
      transport.write(this.#greeting);
      void this.#world.sleep(replyTimeoutMs).then(() => end('no reply in time'));
    });
  }

  #failed(reason: string): void {
    this.lastFailure = reason;
    if (this.comesBack) this.failures.push(reason);
  }

  #lost(): void {
    const wasServed = this.isServed;
    this.isServed = false;
    if (wasServed && this.comesBack && !this.#isClosed) void this.#comeBack();
  }

  async #comeBack(): Promise<void> {
    const [least, most] = retryMs;
    for (;;) {
      await this.serveOnce();
      if (this.isServed || this.#isClosed) return;
      await this.#world.sleep(least + randomBelow(this.#world.random, most - least));
    }
  }
}

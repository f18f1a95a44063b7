/**
 * What an application sees: the same client object, made once with LB addresses, across a switchover and across a hang
 * of a master. Acknowledged writes must be there afterwards; a switchover must not even show an error.
 */
import assert from 'node:assert/strict';
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { realTimers, tcpConnector } from '@holdfast/base/real';
import { ReplyError, RespClient } from '@holdfast/resp';
import { Cluster } from 'ioredis';
import { createCluster } from 'redis';
import { eventually, UpCluster } from './up-cluster.ts';

interface Client {
  set(key: string, value: string): Promise<unknown>;
  get(key: string): Promise<string | null>;
  /** Every node address the library has learned. */
  addresses(): string[];
  close(): Promise<void>;
}

const writerCount = 8;

/** @param addresses `host:port` of the masters' LB addresses. */
type Open = (addresses: readonly string[]) => Promise<Client>;

const openIoredis: Open = async (addresses) => {
  const nodes = addresses.map((address) => ({
    host: address.split(':')[0] ?? '',
    port: Number(address.split(':')[1]),
  }));
  const cluster = new Cluster(nodes, { lazyConnect: true });
  cluster.on('error', () => undefined);
  await cluster.connect();
  return {
    set: (key, value) => cluster.set(key, value),
    get: (key) => cluster.get(key),
    addresses: () => cluster.nodes('all').map(({ options: { host, port } }) => `${host}:${port}`),
    close: () => Promise.resolve(cluster.disconnect()),
  };
};

const openNodeRedis: Open = async (addresses) => {
  const cluster = createCluster({ rootNodes: addresses.map((address) => ({ url: `redis://${address}` })) });
  cluster.on('error', () => undefined);
  await cluster.connect();
  return {
    set: (key, value) => cluster.set(key, value),
    get: async (key) => (await cluster.get(key))?.toString() ?? null,
    addresses: () => [...cluster.masters, ...cluster.replicas].map(({ address }) => address),
    close: () => Promise.resolve(cluster.destroy()),
  };
};

/** What redis-cli prints beside the answers: where it went, an empty line after an error, how long a slow one took. */
const noAnswer = /^(-> Redirected to slot .*|\([0-9.]+s\)|)$/;

/** One `redis-cli -c` that is fed commands, one at a time, as a shell script would. */
class RedisCli {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<unknown>;
  #pending: ((line: string) => void) | undefined;

  constructor(port: string) {
    // --no-raw: an absent value is a line of its own, and an error can be told from a value.
    this.#process = spawn('redis-cli', ['--no-raw', '-c', '-p', port]);
    this.#ended = once(this.#process, 'exit');
    this.#process.once('exit', (status, signal) => this.#answer(`redis-cli ended: ${String(status ?? signal)}`));
    this.#process.stdin.on('error', (error) => this.#answer(`redis-cli takes no command: ${error.message}`));
    for (const stream of [this.#process.stdout, this.#process.stderr])
      createInterface(stream).on('line', (line) => {
        if (!noAnswer.test(line)) this.#answer(line);
      });
  }

  #answer(line: string): void {
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.(line);
  }

  /** The first line of the reply, or of what redis-cli complains of. */
  ask(command: string): Promise<string> {
    return new Promise((resolve) => {
      this.#pending = resolve;
      this.#process.stdin.write(`${command}\n`);
    });
  }

  /** One that waits for an answer for ever would not end by itself. */
  async close(): Promise<void> {
    this.#process.kill();
    await this.#ended;
  }
}

/**
 * One session for each writer: one that stands idle while its connection is ended shows that at its next command, as
 * redis-cli 7.0 does with any server ("Server closed the connection"). A session that is asked all the time is told.
 */
const openRedisCli: Open = async (addresses) => {
  const port = addresses[0]?.split(':')[1] ?? '';
  const sessions = Array.from({ length: writerCount }, () => new RedisCli(port));
  const free = [...sessions];
  const waiting: ((session: RedisCli) => void)[] = [];
  const ask = async (command: string): Promise<string> => {
    const session = free.shift() ?? (await new Promise<RedisCli>((resolve) => waiting.push(resolve)));
    const answer = await session.ask(command);
    const next = waiting.shift();
    if (next === undefined) free.push(session);
    else next(session);
    return answer;
  };
  return Promise.resolve({
    set: async (key, value) => {
      const answer = await ask(`set ${key} ${value}`);
      if (answer !== 'OK') throw new Error(answer);
    },
    get: async (key) => {
      const answer = await ask(`get ${key}`);
      return answer === '(nil)' ? null : answer.replace(/^"(.*)"$/, '$1');
    },
    addresses: () => [],
    close: async () => void (await Promise.all(sessions.map((session) => session.close()))),
  });
};

const libraries: readonly [name: string, open: Open][] = [
  ['ioredis Cluster', openIoredis],
  ['node-redis cluster', openNodeRedis],
];
const clients: readonly [name: string, open: Open][] = [...libraries, ['redis-cli -c', openRedisCli]];

/** Errors above which a run is given up. */
const errorsMax = 2000;

/** Eight writers on one client object, each with one write open at a time, each write on a key of its own. */
class Writers {
  readonly acknowledged = new Map<string, string>();
  readonly errors: string[] = [];
  readonly #client: Client;
  readonly #name: string;
  readonly #running: Promise<void>[] = [];
  #over = false;

  constructor(client: Client, name: string) {
    this.#client = client;
    this.#name = name.replaceAll(' ', '-'); // redis-cli splits at blanks
    for (let i = 0; i < writerCount; i++) this.#running.push(this.#write(i));
  }

  /** Resolves when every writer got `count` more writes acknowledged, whose requests began after this call. */
  async acknowledge(count: number): Promise<void> {
    const wanted = this.#counts.map((acknowledged) => acknowledged + count + 1);
    await eventually(() => {
      // A client that only ever fails again would be waited for until the test's own limit, and say nothing.
      if (this.errors.length > errorsMax)
        throw new Error(`${this.errors.length} errors: ${this.errors.slice(-5).join('; ')}`);
      return Promise.resolve(this.#counts.every((have, i) => have >= (wanted[i] ?? 0)) || undefined);
    });
  }

  async stop(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#running);
  }

  /** Acknowledged writes that `client` does not read. */
  async lost(client: Client): Promise<string[]> {
    const lost: string[] = [];
    const wanted = [...this.acknowledged];
    const found = await Promise.all(wanted.map(([key]) => client.get(key)));
    wanted.forEach(([key, value], i) => {
      if (found[i] !== value) lost.push(`${key}: ${found[i] ?? '(absent)'} instead of ${value}`);
    });
    return lost;
  }

  readonly #counts: number[] = Array.from({ length: writerCount }, () => 0);

  async #write(writer: number): Promise<void> {
    for (let n = 0; !this.#over; n++) {
      const key = `${this.#name}:${writer}:${n}`;
      try {
        await this.#client.set(key, `value-${n}`);
        this.acknowledged.set(key, `value-${n}`);
        this.#counts[writer] = (this.#counts[writer] ?? 0) + 1;
      } catch (error) {
        this.errors.push(`${key}: ${String(error)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
}

/** Slot 3830: of the first of three shards. */
const keyOfShard0 = 'probe:2';

/** Whether a node answers a read of its own shard with an error; while it holds clients this takes as long. */
async function refuses(address: string): Promise<boolean> {
  const [host = '', port] = address.split(':');
  const options = { timers: realTimers, connectTimeoutMs: 2000, commandTimeoutMs: 2000 };
  const connection = await RespClient.connect(tcpConnector, { host, port: Number(port) }, options);
  try {
    return (await connection.command('GET', keyOfShard0)) instanceof ReplyError;
  } finally {
    connection.close();
  }
}

describe('client libraries against bin/holdfast up', { timeout: 180_000 }, () => {
  let cluster: UpCluster;
  before(async () => {
    cluster = await UpCluster.start();
  });
  after(() => cluster?.stop());

  for (const [name, open] of libraries) {
    test(`${name}: writes and reads through the LB addresses, and learns no other address`, async (t) => {
      const client = await open(cluster.lbAddresses);
      t.after(() => client.close());
      for (let i = 0; i < 100; i++) await client.set(`${name}:plain:${i}`, String(i));
      for (let i = 0; i < 100; i++) assert.equal(await client.get(`${name}:plain:${i}`), String(i));
      const known = new Set([...cluster.lbAddresses, ...cluster.replicaLbAddresses]);
      assert.ok(client.addresses().length >= cluster.lbAddresses.length);
      assert.deepEqual(
        client.addresses().filter((address) => !known.has(address)),
        [],
      );
    });

    test(`${name}: a hung master loses no acknowledged write, and the same client object writes again`, async (t) => {
      const client = await open(cluster.lbAddresses);
      t.after(() => client.close());
      const writers = new Writers(client, `${name}:hang`);
      t.after(() => writers.stop());
      await writers.acknowledge(20);
      const shard = await cluster.shard(1);
      const master = shard.nodes.find((node) => node.role === 'master');
      assert.ok(master);
      const pid = await cluster.pidOf(master.addr);
      process.kill(pid, 'SIGSTOP');
      try {
        await eventually(async () => ((await cluster.shard(1)).epoch > shard.epoch ? true : undefined));
        await writers.acknowledge(100);
      } finally {
        process.kill(pid, 'SIGCONT');
      }
      await writers.acknowledge(100);
      await cluster.whole();
      await writers.stop();
      assert.deepEqual(await writers.lost(client), []);
    });
  }

  for (const [name, open] of clients) {
    test(`${name}: a switchover under load loses no write and shows no error`, async (t) => {
      const client = await open(cluster.lbAddresses);
      t.after(() => client.close());
      const writers = new Writers(client, `${name}:switchover`);
      t.after(() => writers.stop());
      await writers.acknowledge(20);
      await cluster.switchOver(0);
      await writers.acknowledge(50);
      await writers.stop();
      assert.deepEqual(writers.errors, []);
      assert.deepEqual(await writers.lost(client), []);
    });

    test(`${name}: a switchover whose balancer is late shows no error either`, async (t) => {
      await cluster.whole();
      const client = await open(cluster.lbAddresses);
      t.after(() => client.close());
      const writers = new Writers(client, `${name}:late`);
      t.after(() => writers.stop());
      await writers.acknowledge(20);
      const shard = await cluster.shard(0);
      const master = shard.nodes.find((node) => node.role === 'master');
      assert.ok(master);
      const balancer = cluster.pidOfBalancer();
      process.kill(balancer, 'SIGSTOP');
      const switched = cluster.switchOver(0);
      try {
        // Its hold has ended without a repoint: what it held has been answered, and comes back to the same address.
        const answered = eventually(async () => ((await refuses(master.addr)) ? true : undefined));
        await Promise.race([answered, switched]);
      } finally {
        process.kill(balancer, 'SIGCONT');
      }
      await switched;
      await writers.acknowledge(50);
      await writers.stop();
      assert.deepEqual(writers.errors, []);
      assert.deepEqual(await writers.lost(client), []);
    });
  }
});

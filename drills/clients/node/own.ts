/**
 * The project's own RESP client behind the behaviour of the other drills' load clients: a connection for each lane, a
 * lost or refused one is opened again after a short back-off, MOVED is followed, a command of unknown end is not sent
 * again but shown to the application.
 */
import { realTimers, tcpConnector } from '@holdfast/base/real';
import { ReplyError, RespClient, textOf } from '@holdfast/resp';
import { endpointOf, play, type Library, type ProgramConfig } from './lanes.ts';

const settings = { timers: realTimers, connectTimeoutMs: 1000, commandTimeoutMs: 2000 };
const backOffMs = { least: 5, most: 100 };

/** Connections to one address: one for each command that is open, kept for the next. */
class Pool {
  readonly #address: string;
  readonly #isReplica: boolean;
  readonly #free: RespClient[] = [];
  #backOffMs: number = backOffMs.least;

  constructor(address: string, isReplica: boolean) {
    this.#address = address;
    this.#isReplica = isReplica;
  }

  async command(...args: string[]): Promise<string | null> {
    const client = this.#free.pop() ?? (await this.#open());
    if (!client.isOpen) return this.command(...args);
    try {
      const reply = await client.command(...args);
      if (reply instanceof ReplyError) throw new Error(reply.message);
      this.#free.push(client);
      return reply === null ? null : (textOf(reply) ?? null);
    } catch (error) {
      client.close();
      throw error;
    }
  }

  async #open(): Promise<RespClient> {
    try {
      const client = await RespClient.connect(tcpConnector, endpointOf(this.#address), settings);
      if (this.#isReplica) await client.command('READONLY');
      this.#backOffMs = backOffMs.least;
      return client;
    } catch (error) {
      await new Promise((resolve) => setTimeout(resolve, this.#backOffMs));
      this.#backOffMs = Math.min(2 * this.#backOffMs, backOffMs.most);
      throw error;
    }
  }
}

function open({ masters, replica, lanes }: ProgramConfig): Promise<Library> {
  const pools = new Map<string, Pool>();
  const poolAt = (address: string, isReplica = false): Pool => {
    let pool = pools.get(address);
    if (pool === undefined) pools.set(address, (pool = new Pool(address, isReplica)));
    return pool;
  };
  const first = masters[0] ?? '';
  /** Where keys of a tag were answered last. */
  const masterOf = new Map<string, string>(lanes.map(({ tag }) => [tag, first]));
  /** Tags whose shard has another replica than the one that is known. */
  const elsewhere = new Set<string>();
  const onMaster = async (tag: string, ...args: string[]): Promise<string | null> => {
    for (let redirections = 0; ; redirections++) {
      try {
        return await poolAt(masterOf.get(tag) ?? first).command(...args);
      } catch (error) {
        const moved = movedTo(error);
        if (moved === undefined || redirections > 5) throw error;
        masterOf.set(tag, moved);
      }
    }
  };
  const onReplica = async (address: string, tag: string, key: string): Promise<string | null> => {
    try {
      return await poolAt(address, true).command('GET', key);
    } catch (error) {
      if (movedTo(error) === undefined) throw error;
      elsewhere.add(tag);
      return onMaster(tag, 'GET', key);
    }
  };
  return Promise.resolve({
    set: async (key, value) => {
      const reply = await onMaster(tagOf(key), 'SET', key, value);
      if (reply !== 'OK') throw new Error(`unexpected reply ${String(reply)}`);
    },
    get: (key) => {
      const tag = tagOf(key);
      return replica === null || elsewhere.has(tag) ? onMaster(tag, 'GET', key) : onReplica(replica, tag, key);
    },
  });
}

function tagOf(key: string): string {
  return key.slice(0, key.indexOf('}') + 1);
}

function movedTo(error: unknown): string | undefined {
  return /^MOVED \d+ (\S+)/.exec(error instanceof Error ? error.message : '')?.[1];
}

await play({ library: 'holdfast', version: '0.1.0' }, open);

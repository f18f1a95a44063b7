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
  const known = new Map<string, string>(lanes.map(({ tag }) => [tag, first]));
  const onMaster = async (key: string, ...args: string[]): Promise<string | null> => {
    const tag = key.slice(0, key.indexOf('}') + 1);
    for (let redirections = 0; ; redirections++) {
      try {
        return await poolAt(known.get(tag) ?? first).command(...args);
      } catch (error) {
        const moved = /^MOVED \d+ (\S+)/.exec(error instanceof Error ? error.message : '')?.[1];
        if (moved === undefined || redirections > 5) throw error;
        known.set(tag, moved);
      }
    }
  };
  return Promise.resolve({
    set: async (key, value) => {
      const reply = await onMaster(key, 'SET', key, value);
      if (reply !== 'OK') throw new Error(`unexpected reply ${String(reply)}`);
    },
    get: (key) => (replica === null ? onMaster(key, 'GET', key) : poolAt(replica, true).command('GET', key)),
  });
}

await play({ library: 'holdfast', version: '0.1.0' }, open);

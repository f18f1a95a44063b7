/** Clients that write unique values through one address for as long as they are let, and remember what was acknowledged. */
import { setTimeout as pause } from 'node:timers/promises';
import { OperationError, messageOf } from '@holdfast/base';
import { realTimers, tcpConnector } from '@holdfast/base/real';
import { ReplyError, RespClient, textOf } from '@holdfast/resp';

/** A write that takes longer counts as failed. */
const commandTimeoutMs = 30_000;

export class AcknowledgedWrites {
  readonly acknowledged: Map<string, string> = new Map();
  /** Why writes failed, in order. */
  readonly failures: string[] = [];
  readonly #port: number;
  #isStopped = false;
  readonly #writers: readonly Promise<void>[];

  /** @param address `host:port` of an LB address; all slots must be its shard's. */
  constructor(address: string, writers = 4) {
    this.#port = Number(address.split(':')[1]);
    this.#writers = Array.from({ length: writers }, (_, index) => this.#write(`writer:${index}`));
  }

  /** Resolves when so many more writes were acknowledged. */
  async more(count: number): Promise<void> {
    const enough = this.acknowledged.size + count;
    while (this.acknowledged.size < enough) await pause(10);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#writers);
  }

  /** Acknowledged writes that cannot be read back. Read again when the connection breaks: the address may move meanwhile. */
  async lost(): Promise<string[]> {
    const lost: string[] = [];
    const entries = [...this.acknowledged];
    let client: RespClient | undefined;
    for (let from = 0; from < entries.length;) {
      const some = entries.slice(from, from + 500);
      try {
        if (client?.isOpen !== true) client = await this.#connect();
        lost.push(...(await unlike(client, some)));
        from += some.length;
      } catch (error) {
        if (!(error instanceof OperationError)) throw error;
        client?.close();
        await pause(20);
      }
    }
    client?.close();
    return lost;
  }

  #connect(): Promise<RespClient> {
    const endpoint = { host: '127.0.0.1', port: this.#port };
    return RespClient.connect(tcpConnector, endpoint, { timers: realTimers, connectTimeoutMs: 2000, commandTimeoutMs });
  }

  async #write(name: string): Promise<void> {
    let client: RespClient | undefined;
    for (let count = 0; !this.#isStopped; count++) {
      const key = `${name}:${count}`;
      try {
        if (client?.isOpen !== true) client = await this.#connect();
        const reply = await client.command('SET', key, `${key}!`);
        if (reply instanceof ReplyError) throw reply;
        this.acknowledged.set(key, `${key}!`);
      } catch (error) {
        this.failures.push(messageOf(error));
        client?.close();
        await pause(20);
      }
    }
    client?.close();
  }
}

/** Of these keys and values, those that are not there, each with what is. */
async function unlike(client: RespClient, entries: readonly (readonly [string, string])[]): Promise<string[]> {
  const replies = await Promise.all(entries.map(([key]) => client.command('GET', key)));
  return entries.flatMap(([key, value], index) => {
    const reply = replies[index];
    const read = reply instanceof ReplyError || reply === undefined ? undefined : textOf(reply);
    return read === value ? [] : [`${key}: ${reply instanceof ReplyError ? reply.message : String(read)}`];
  });
}

/**
 * A RESP connection to one node that is opened when it is needed and again when it was lost. It sends nothing twice:
 * whoever calls knows what may be repeated.
 */
import { OperationError, type Connector, type Endpoint, type Timers } from '@holdfast/base';
import { ReplyError, RespClient, textOf, type Reply } from '@holdfast/resp';

export interface NodeLinkOptions {
  readonly connector: Connector;
  readonly timers: Timers;
  readonly endpoint: Endpoint;
  /** Sent as AUTH; empty: none. */
  readonly password: string;
  readonly connectTimeoutMs: number;
}

export class NodeLink {
  readonly #options: NodeLinkOptions;
  #client: RespClient | undefined;
  #connecting: Promise<RespClient> | undefined;
  #isClosed = false;

  constructor(options: NodeLinkOptions) {
    this.#options = options;
  }

  /**
   * Sends one command as soon as the connection stands.
   * @param args a function is called right before the command is written: what it says is true at that instant.
   * @returns the reply's text, or a ReplyError.
   * @throws OperationError of the connector or the client.
   */
  async call(args: readonly string[] | (() => readonly string[]), timeoutMs: number): Promise<string | ReplyError> {
    const client = await this.#open();
    const reply = await client.call(typeof args === 'function' ? args() : args, { timeoutMs });
    return reply instanceof ReplyError ? reply : replyText(reply);
  }

  /**
   * Sends commands on one connection, one right behind the other: a later one reaches the process that got the earlier
   * ones, or nobody.
   * @returns one promise for each, as of `call`.
   */
  callTogether(commands: readonly (readonly string[])[], timeoutMs: number): Promise<string | ReplyError>[] {
    const opened = this.#open();
    return commands.map(async (args) => {
      const client = await opened;
      const reply = await client.call(args, { timeoutMs });
      return reply instanceof ReplyError ? reply : replyText(reply);
    });
  }

  async #open(): Promise<RespClient> {
    return this.#client?.isOpen === true ? this.#client : this.#connect();
  }

  #connect(): Promise<RespClient> {
    const { connector, timers, endpoint, password, connectTimeoutMs } = this.#options;
    const options = { timers, commandTimeoutMs: connectTimeoutMs, connectTimeoutMs, password };
    this.#connecting ??= RespClient.connect(connector, endpoint, options)
      .then((client) => {
        this.#client = client;
        if (!this.#isClosed) return client;
        client.close();
        throw new OperationError('CONTROLLER_LINK_CLOSED', 'the link was closed', { outcome: 'not-applied' });
      })
      .finally(() => (this.#connecting = undefined));
    return this.#connecting;
  }

  close(): void {
    this.#isClosed = true;
    this.#client?.close();
  }
}

function replyText(reply: Reply): string {
  const text = textOf(reply);
  if (text !== undefined) return text;
  throw new OperationError('CONTROLLER_REPLY', 'a reply that is no single value', { outcome: 'unknown' });
}

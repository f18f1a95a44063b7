/**
 * A small pipelining client over any Transport: heartbeats, `ctl`, drills, the replication handshake.
 *
 * Commands go out as they come; replies are matched in order. The outcome of a command is one of three: a reply (an
 * error reply is a value, see reply.ts), not applied (it was never handed to the stream), or unknown (handed over, and
 * then the connection or the time was lost). A command that ran out of time costs the connection, because its reply
 * may still come and would be taken for another's; the client never reconnects by itself, since only its owner knows
 * what may be sent twice.
 */
import { OperationError, assert, messageOf } from '@holdfast/base';
import type { Connector, Endpoint, Timer, Timers, Transport } from '@holdfast/base';
import { encodeCommand, type CommandArgument } from './encode-command.ts';
import { pendingCommandsMax } from './limits.ts';
import { ReplyDecoder, type ReplyLimits } from './reply-decoder.ts';
import { ReplyError, ReplyPush, type Reply } from './reply.ts';

export interface RespClientOptions {
  readonly timers: Timers;
  /** How long a reply may take, unless `call` says otherwise. */
  readonly commandTimeoutMs: number;
  /** Out-of-band messages of RESP3; dropped when absent. */
  readonly onPush?: (push: ReplyPush) => void;
  /** The connection is gone, once. Not called by `close` and `handOver`. */
  readonly onClose?: (reason: OperationError) => void;
  readonly limits?: Partial<ReplyLimits>;
}

export interface RespConnectOptions extends RespClientOptions {
  readonly connectTimeoutMs: number;
  /** Sent as AUTH before anything else; nothing is sent when absent or empty. */
  readonly password?: string | undefined;
}

/** A byte stream that was a RESP connection. */
export interface HandedOver {
  readonly reply: Reply;
  /** Paused: call `listen`, then `resume`. */
  readonly transport: Transport;
  /** What arrived after the reply; comes before everything `transport` delivers. */
  readonly unread: Buffer;
}

interface Pending {
  readonly name: string;
  readonly timer: Timer;
  /** After this reply the stream is somebody else's, unless it is an error. */
  readonly last: boolean;
  resolve(reply: Reply): void;
  reject(error: OperationError): void;
}

/** Open, or why not. */
type State = { readonly kind: 'open' } | { readonly kind: 'closed'; readonly reason: string };

export class RespClient {
  readonly #transport: Transport;
  readonly #options: RespClientOptions;
  readonly #decoder: ReplyDecoder;
  #state: State = { kind: 'open' };
  /** Commands without a reply, oldest at `#oldest`. */
  #pending: Pending[] = [];
  #oldest = 0;

  /** @param transport connected, and not listened to by anybody else. */
  constructor(transport: Transport, options: RespClientOptions) {
    this.#transport = transport;
    this.#options = options;
    this.#decoder = new ReplyDecoder(options.limits);
    transport.listen({
      onData: (chunk) => this.#onData(chunk),
      onEnd: () => this.#lose('RESP_CONNECTION_LOST', 'the peer closed the connection'),
      onClose: (error) =>
        this.#lose('RESP_CONNECTION_LOST', error ? `connection lost: ${messageOf(error)}` : 'connection lost', error),
    });
  }

  /**
   * Opens a connection and authenticates.
   * @throws OperationError NET_CONNECT (from the connector), RESP_AUTH when the password is refused, RESP_TIMEOUT or
   *   RESP_CONNECTION_LOST when AUTH got no answer; never with the password in it.
   */
  static async connect(connector: Connector, endpoint: Endpoint, options: RespConnectOptions): Promise<RespClient> {
    const transport = await connector.connect(endpoint, { timeoutMs: options.connectTimeoutMs });
    const client = new RespClient(transport, options);
    if (options.password === undefined || options.password === '') return client;
    const reply = await client.command('AUTH', options.password);
    if (!(reply instanceof ReplyError)) return client;
    client.close();
    const message = `${transport.peer} refused the password: ${reply.code}`;
    throw new OperationError('RESP_AUTH', message, { outcome: 'not-applied' });
  }

  get peer(): string {
    return this.#transport.peer;
  }

  get isOpen(): boolean {
    return this.#state.kind === 'open';
  }

  /** Commands sent and not answered. */
  get pendingCount(): number {
    return this.#pending.length - this.#oldest;
  }

  /**
   * Sends one command with the client's own timeout.
   * @returns the reply; an error reply is a ReplyError value.
   * @throws OperationError RESP_CLOSED or RESP_BUSY (not applied); RESP_TIMEOUT, RESP_CONNECTION_LOST,
   *   RESP_CLOSED or RESP_PROTOCOL (unknown) once it was sent.
   */
  command(...args: CommandArgument[]): Promise<Reply> {
    return this.#send(args, this.#options.commandTimeoutMs, false);
  }

  /** As `command`, with a time of its own. */
  call(args: readonly CommandArgument[], { timeoutMs }: { readonly timeoutMs: number }): Promise<Reply> {
    return this.#send(args, timeoutMs, false);
  }

  /**
   * Sends a command after whose reply the stream follows another protocol (PSYNC, `_fetch_file`). With an error reply
   * the client stays as it is.
   * @returns the stream and what was read of it already, or the error.
   */
  async handOver(...args: CommandArgument[]): Promise<HandedOver | ReplyError> {
    const reply = await this.#send(args, this.#options.commandTimeoutMs, true);
    if (reply instanceof ReplyError) return reply;
    return { reply, transport: this.#transport, unread: this.#decoder.takeRest() };
  }

  /** Closes the connection. Commands without a reply end as unknown. */
  close(): void {
    if (this.#state.kind === 'closed') return;
    this.#end('RESP_CLOSED', 'the client was closed');
    this.#transport.destroy();
  }

  #send(args: readonly CommandArgument[], timeoutMs: number, last: boolean): Promise<Reply> {
    assert(args.length > 0, 'a command has a name');
    const name = String(args[0]).toUpperCase();
    if (this.#state.kind === 'closed') return refuse('RESP_CLOSED', `${name} to ${this.peer}: ${this.#state.reason}`);
    if (this.#pending.at(-1)?.last === true) return refuse('RESP_CLOSED', `${name}: the stream is being handed over`);
    if (this.pendingCount >= pendingCommandsMax)
      return refuse('RESP_BUSY', `${name} to ${this.peer}: ${pendingCommandsMax} commands wait for replies`);
    return new Promise((resolve, reject) => {
      const late = (): void => this.#lose('RESP_TIMEOUT', `${name} got no reply within ${timeoutMs} ms`);
      this.#pending.push({ name, timer: this.#options.timers.after(timeoutMs, late), last, resolve, reject });
      this.#transport.write(encodeCommand(args));
    });
  }

  #onData(chunk: Buffer): void {
    if (this.#state.kind === 'closed') return;
    this.#decoder.push(chunk);
    for (let reply = this.#next(); reply !== undefined; reply = this.#next()) {
      if (!this.#deliver(reply)) return;
    }
  }

  #next(): Reply | undefined {
    try {
      return this.#decoder.next();
    } catch (error) {
      this.#lose('RESP_PROTOCOL', messageOf(error), error);
      return undefined;
    }
  }

  /** False when no further reply is to be read. */
  #deliver(reply: Reply): boolean {
    if (reply instanceof ReplyPush) {
      this.#options.onPush?.(reply);
      return this.#state.kind === 'open';
    }
    const pending = this.#pending[this.#oldest];
    if (pending === undefined) {
      this.#lose('RESP_PROTOCOL', 'a reply that answers no command');
      return false;
    }
    this.#oldest++;
    if (this.#oldest === this.#pending.length || this.#oldest === 1024) {
      this.#pending.splice(0, this.#oldest);
      this.#oldest = 0;
    }
    pending.timer.cancel();
    const over = pending.last && !(reply instanceof ReplyError);
    if (over) {
      this.#transport.pause();
      this.#state = { kind: 'closed', reason: 'the stream was handed over' };
    }
    pending.resolve(reply);
    return !over && this.#state.kind === 'open';
  }

  /** The connection failed: tells everybody who waits, and the owner. */
  #lose(code: string, reason: string, cause?: unknown): void {
    if (this.#state.kind === 'closed') return;
    const error = this.#end(code, reason, cause);
    this.#transport.destroy();
    this.#options.onClose?.(error);
  }

  #end(code: string, reason: string, cause?: unknown): OperationError {
    this.#state = { kind: 'closed', reason };
    const waiting = this.#pending.slice(this.#oldest);
    this.#pending = [];
    this.#oldest = 0;
    for (const pending of waiting) {
      pending.timer.cancel();
      const message = `${pending.name} to ${this.peer}: ${reason}`;
      pending.reject(new OperationError(code, message, { outcome: 'unknown', cause }));
    }
    return new OperationError(code, `${this.peer}: ${reason}`, { outcome: 'unknown', cause });
  }
}

function refuse(code: string, message: string): Promise<never> {
  return Promise.reject(new OperationError(code, message, { outcome: 'not-applied' }));
}

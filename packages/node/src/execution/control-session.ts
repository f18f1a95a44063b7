/**
 * The session of what the control thread forwards: an administrator past the client gates, one command at a time. Its
 * replies do not go through ticks: they acknowledge no write.
 */
import { OperationError, type Transport } from '@holdfast/base';
import { Refusal, arityFits, type Deferred, type Session } from '@holdfast/commands';
import type { Namespace } from '@holdfast/engine';
import { ReplyWriter, Request } from '@holdfast/resp';
import type { CommandLookup } from './command-entry.ts';

/** What may be asked on the control port; everything else is for clients. */
const allowed = new Set(['cluster', 'clusterx', 'info', 'role', 'config', 'client', 'command', 'hello', 'time']);

export class ControlSession implements Session {
  readonly id = 0;
  readonly peer: string;
  readonly local = 'control';
  readonly createdAtMs: number;
  name = 'control';
  libraryName = '';
  libraryVersion = '';
  protocol: 2 | 3 = 2;
  namespace: Namespace;
  authenticated = true;
  admin = true;
  readonlyMode = false;
  asking = false;
  noEvict = true;
  replyMode: 'on' | 'off' | 'skip' = 'on';
  queued: Request[] | undefined;
  queueRefused = false;
  subscriptions = 0;
  readonly #reply = new ReplyWriter();
  readonly #answer: (bytes: Uint8Array) => void;
  #deferred = false;

  constructor(options: { peer: string; namespace: Namespace; nowMs: number; answer(bytes: Uint8Array): void }) {
    this.peer = options.peer;
    this.namespace = options.namespace;
    this.createdAtMs = options.nowMs;
    this.#answer = (bytes): void => options.answer(bytes);
  }

  closeAfterReply(): void {
    // The control thread owns the connection.
  }

  defer(): Deferred {
    this.#deferred = true;
    let settled = false;
    const finish = (write: (reply: ReplyWriter) => void): void => {
      if (settled) return;
      settled = true;
      write(this.#reply);
      this.#answer(this.#reply.take());
    };
    return {
      get settled(): boolean {
        return settled;
      },
      complete: finish,
      abandon: (): void => finish((reply) => reply.error('ERR the outcome of this command is unknown')),
    };
  }

  detach(): Transport {
    throw new OperationError('NODE_NOT_A_STREAM', 'not on the control port', { outcome: 'not-applied' });
  }

  /** Runs one command and answers once, now or later. */
  execute(commands: CommandLookup, args: readonly Uint8Array[], nowMs: number): void {
    const request = Request.of(...args);
    const reply = this.#reply;
    const definition = commands.lookup(request);
    if (definition === undefined || !allowed.has(definition.name)) {
      reply.error(`ERR '${request.latin1(0).slice(0, 64)}' is not for the control port`);
    } else if (!arityFits(definition, request)) {
      reply.error(`ERR wrong number of arguments for '${definition.name}' command`);
    } else {
      const input = definition.parse(request);
      if (input instanceof Refusal) reply.error(input.message);
      else definition.run({ nowMs, namespace: this.namespace, session: this }, input, reply);
    }
    if (!this.#deferred) this.#answer(reply.take());
  }
}

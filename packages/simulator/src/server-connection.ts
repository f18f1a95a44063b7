/**
 * A client's connection as the node sees it: commands wait here while a gate holds them, replies wait in the tick loop
 * until they may leave. Which of the three ends a command has (refused, released, unknown) is decided by the shipped gates
 * and tick loop; this is the plumbing the real connection does around them.
 */
import type { CommandKind } from '@holdfast/fencing';
import type { TickOutput } from '@holdfast/node/decisions';
import type { Lane } from './machine.ts';
import type { Stream, StreamEnd } from './network.ts';
import type { Entry } from './node-disk.ts';
import type { NodeProcess } from './node-process.ts';

export interface Command {
  readonly id: number;
  readonly kind: 'set' | 'get' | 'ping';
  /** It names no key in its arguments (a script that was given none). */
  readonly isKeyless: boolean;
  /** Asked of a replica: READONLY was sent before. */
  readonly isReadonly: boolean;
  readonly key: string;
  readonly value: string;
}

/**
 * `value`: the entry that was read or written; undefined for an absent key. `error`: refused, not executed. `moved`: the
 * client belongs elsewhere, not executed.
 */
export interface Reply {
  readonly command: Command;
  readonly kind: 'value' | 'pong' | 'error' | 'moved';
  readonly entry: Entry | undefined;
  readonly text: string;
}

export interface ClientEnd {
  onReply(reply: Reply): void;
}

type Bytes = ReturnType<TickOutput['takeReplies']>;

export class ServerConnection implements TickOutput, StreamEnd {
  readonly lane: Lane;
  readonly #process: NodeProcess;
  #stream: Stream | undefined;
  readonly #client: ClientEnd;
  #queue: Command[] = [];
  #written: Reply[] = [];
  /** Executed, and not answered yet. */
  #owed: Command[] = [];
  #unreleased = 0;
  #joinedTick = 0;
  #isBound = false;
  #isFresh: boolean;
  #isMoving = false;
  #closesWhenReleased = false;

  constructor(process: NodeProcess, client: ClientEnd) {
    this.#process = process;
    this.lane = process.main;
    this.#client = client;
    this.#isFresh = false;
  }

  /** The listener accepted it. */
  accepted(stream: Stream): void {
    this.#stream = stream;
    this.#isFresh = !this.#process.mayServe;
    this.#process.connections.add(this);
  }

  receive(command: Command): void {
    this.#queue.push(command);
    this.pump();
  }

  /** Executes what waits, until a gate holds it. */
  pump(): void {
    while (this.#queue.length > 0 && this.#isOpen && !this.#closesWhenReleased) {
      const command = this.#queue[0] as Command;
      if (this.#isMoving) {
        if (this.#unreleased > 0) return;
        this.#queue.shift();
        this.#send([{ command, kind: 'moved', entry: undefined, text: 'MOVED' }]);
        continue;
      }
      this.#join();
      if (!this.#execute(command)) return;
      if (!this.#isMoving) this.#queue.shift();
    }
    if (this.#isMoving && this.#unreleased === 0) this.#close();
  }

  get #isOpen(): boolean {
    return this.#stream?.isOpen(1) === true;
  }

  #join(): void {
    const { loop } = this.#process;
    loop.open();
    if (this.#joinedTick === loop.number) return;
    this.#joinedTick = loop.number;
    this.#unreleased++;
    loop.join(this);
  }

  /** False: it stays where it is, nothing was executed. */
  #execute(command: Command): boolean {
    const process = this.#process;
    const kind = process.kindOf(command);
    const admission = kind === 'control' ? 'execute' : process.keeper.admit(kind, this.#isFresh);
    if (admission === 'hold' || (kind !== 'control' && process.loop.isFull)) return false;
    switch (admission) {
      case 'execute':
      case 'execute-and-log':
        this.#run(command, kind);
        return true;
      case 'await-master':
        if (process.refusal(command) === undefined) return false;
        this.#run(command, kind);
        return true;
      case 'master-down':
        this.#answer({ command, kind: 'error', entry: undefined, text: 'MASTERDOWN' });
        return true;
      case 'redirect':
        this.startMoving();
        return !this.#isMoving || this.#unreleased === 0;
      case 'refuse-lapsed':
        this.#answer({ command, kind: 'error', entry: undefined, text: 'CLUSTERDOWN' });
        this.#closesWhenReleased = true;
        return true;
      case 'refuse-expired':
        this.#answer({ command, kind: 'error', entry: undefined, text: 'ERR master lease expired' });
        return true;
      case 'close':
        this.destroy();
        return true;
      default:
        return admission satisfies never;
    }
  }

  #run(command: Command, kind: CommandKind): void {
    const process = this.#process;
    const error = process.refusal(command);
    if (error !== undefined) {
      this.#answer({ command, kind: error.startsWith('MOVED') ? 'moved' : 'error', entry: undefined, text: error });
      return;
    }
    process.loop.countCommand(kind !== 'control');
    if (kind !== 'control') this.#isBound = true;
    this.#isFresh = false;
    if (command.kind === 'ping') {
      this.#answer({ command, kind: 'pong', entry: undefined, text: 'PONG' });
      return;
    }
    this.#owed.push(command);
    this.#answer({ command, kind: 'value', entry: process.execute(command), text: '' });
  }

  #answer(reply: Reply): void {
    this.#written.push(reply);
  }

  #send(replies: readonly Reply[]): void {
    if (replies.length === 0) return;
    this.#stream?.send(1, () => {
      for (const reply of replies) this.#client.onReply(reply);
    });
  }

  // What the tick loop asks of an output.

  get unbound(): boolean {
    return !this.#isBound;
  }

  /** Replies are kept as they are; only their number is ever looked at. */
  takeReplies(): Bytes {
    const taken = this.#written;
    this.#written = [];
    return taken as unknown as Bytes;
  }

  release(bytes: Bytes): void {
    this.#unreleased--;
    const replies = bytes as unknown as readonly Reply[];
    if (!this.#isOpen) return;
    // An error in place of what was executed comes as real bytes (a planted fault does that).
    if (Buffer.isBuffer(bytes)) {
      this.#send(this.#owed.map((command) => ({ command, kind: 'error', entry: undefined, text: 'ERR lease lost' })));
      return this.destroy();
    }
    for (const { kind } of replies) if (kind === 'value') this.#owed.shift();
    for (const reply of replies) this.#process.answered(reply);
    this.#send(replies);
    if (this.#unreleased > 0) return;
    this.#isBound = false;
    if (this.#closesWhenReleased) this.#close();
    else if (this.#isMoving) this.pump();
  }

  abandon(): void {
    this.destroy();
  }

  // What the node does to its clients.

  /** To be answered MOVED, what it was owed before comes first; then the end. */
  startMoving(): void {
    this.#isMoving = true;
    if (this.#unreleased === 0) this.pump();
  }

  /** No bytes; what was asked has an unknown outcome. */
  destroy(): void {
    this.#process.connections.delete(this);
    this.#stream?.close(1, true);
    this.#queue = [];
  }

  #close(): void {
    this.#process.connections.delete(this);
    this.#stream?.close(1);
  }

  /** The process died; its kernel says so, unless that is gone too. */
  died(isQuiet: boolean): void {
    if (isQuiet) this.#stream?.vanish(1);
    else this.#stream?.close(1, true);
  }

  onClose(): void {
    this.#process.connections.delete(this);
    // What the client sent before it went is still here and still executed, as on a real socket.
  }
}

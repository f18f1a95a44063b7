/**
 * A script that takes longer than a turn of the event loop. It holds the open tick (its atomic part is in it), so that
 * nothing else is executed and nothing of it is committed before it has ended; what came before it in the tick waits with it.
 * Between its turns the event loop goes round: heartbeats are answered, and what may end the script is heard.
 *
 * A role change, the end of the node, or a tick that is dropped ends it: nothing of it may be committed then.
 */
import { InvariantError, messageOf, type Logger, type Timers } from '@holdfast/base';
import type { LongRun } from '@holdfast/commands';
import { ReplyWriter, type Request } from '@holdfast/resp';
import type { ClientConnection } from '../net/client-connection.ts';
import type { Occupation } from '../net/occupation.ts';
import type { CommandEntry } from './command-entry.ts';
import type { LongCommand } from './command-runs.ts';
import type { NestedCommands } from './nested-commands.ts';
import type { TickLoop } from './tick-loop.ts';

export interface LongRunsEnvironment {
  readonly loop: TickLoop;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly nested: NestedCommands;
  /** What is held may be asked again: the run has ended, or says that it is busy. */
  askHeldAgain(): void;
  /** It has ended, with a reply: to be counted. */
  ended(command: LongCommand, reply: ReplyWriter): void;
  /** It has ended, as the outermost command that it was: who waits for what it wrote is served. */
  served(): void;
}

/** The connection of a script that goes on: it reads nothing, and the script does not need it. */
class Running implements Occupation {
  readonly isWait = false;
  readonly isReply = false;
  readonly command: LongCommand;
  readonly connection: ClientConnection;
  readonly run: LongRun;
  readonly reply: ReplyWriter;
  /** What is held was told that the node is busy. */
  isBusy = false;

  constructor(command: LongCommand, run: LongRun) {
    const { connection } = command;
    this.command = command;
    this.connection = connection;
    this.run = run;
    this.reply = new ReplyWriter();
    this.reply.protocol = connection.protocol;
  }

  expire(): void {
    // Only waits expire.
  }

  left(): void {
    // Without its client a script runs to its end, as in Redis.
  }
}

export class LongRuns {
  readonly #env: LongRunsEnvironment;
  #running: Running | undefined;

  constructor(env: LongRunsEnvironment) {
    this.#env = env;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  begin(command: LongCommand, run: LongRun): void {
    const running = new Running(command, run);
    this.#running = running;
    command.connection.occupancy.begin(running);
    this.#env.loop.pin(() => this.#dropped());
    this.#env.timers.soon(() => this.#next(running));
  }

  #next(running: Running): void {
    if (this.#running !== running) return;
    const { run, reply, connection, command } = running;
    let goesOn = false;
    try {
      goesOn = run.next(reply);
    } catch (error) {
      if (error instanceof InvariantError) throw error;
      this.#env.logger.error('a script failed', { peer: connection.peer, error: messageOf(error) });
      this.#env.nested.rollback();
      reply.truncate(0);
      reply.error(`ERR ${messageOf(error)}`);
    }
    if (goesOn) {
      this.#noteBusy(running);
      this.#env.timers.soon(() => this.#next(running));
      return;
    }
    this.#running = undefined;
    this.#env.nested.end();
    this.#env.loop.unpin();
    this.#env.ended(command, reply);
    if (connection.occupancy.is(running)) {
      const mark = connection.reply.mark();
      connection.reply.raw(reply.take());
      connection.occupancy.finish(running, mark, true);
    }
    this.#env.served();
    this.#env.askHeldAgain();
  }

  #noteBusy(running: Running): void {
    if (running.isBusy || running.run.busy() === undefined) return;
    running.isBusy = true;
    this.#env.askHeldAgain();
  }

  /**
   * Ends the run, if there is one: its writes are taken back and its client is cut. The tick it was in goes on without it.
   * To be called where the tick has to end: role changes, and the end of the node.
   */
  abort(): void {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    running.run.abort();
    this.#env.nested.rollback();
    this.#env.loop.unpin();
    this.#cut(running);
  }

  /** The tick was dropped under it. */
  #dropped(): void {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    running.run.abort();
    this.#env.nested.forget();
    this.#cut(running);
  }

  #cut({ connection, run }: Running): void {
    this.#env.logger.warn('a script was ended; nothing of it is committed', {
      peer: connection.peer,
      busy: run.busy(),
    });
    connection.destroy();
    this.#env.timers.soon(() => this.#env.askHeldAgain());
  }

  /**
   * What becomes of another command while it runs: executed all the same, refused with an error line, or held.
   */
  judge(entry: CommandEntry | undefined, request: Request): 'execute' | 'hold' | { readonly error: string } {
    const running = this.#running;
    if (running === undefined || entry === undefined) return 'execute';
    if (running.run.admits(entry.definition, request)) return 'execute';
    const error = running.run.busy();
    return error === undefined ? 'hold' : { error };
  }
}

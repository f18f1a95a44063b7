/**
 * Clients that wait (BLPOP, XREAD BLOCK): what the node does with a command that has to wait, until a write to one of its
 * keys, its timeout, CLIENT UNBLOCK, a role change or its connection ends it.
 *
 * After the outermost command (EXEC and scripts as a whole) whoever waits for a key that was written is asked again in the
 * open tick, first come, first served. Each is admitted anew: the lease may have lapsed, the slot may have gone, the node may
 * be a replica by now. What a served command writes (BLMOVE) makes further keys ready, and so on until none is left; that
 * ends, since each time one waiter leaves.
 */
import { assert, type Timer, type Timers } from '@holdfast/base';
import type { CommandDefinition, Wait } from '@holdfast/commands';
import { gateErrors, type Admission } from '@holdfast/fencing';
import type { ReplyWriter, Request } from '@holdfast/resp';
import type { ClientConnection } from '../net/client-connection.ts';
import type { Occupation } from '../net/occupation.ts';
import { flagBits, kindOfRequest, type CommandEntry } from './command-entry.ts';
import type { CommandRuns, RunningCommand } from './command-runs.ts';
import { afterLong } from './long-timer.ts';
import type { Refusals } from './refusals.ts';
import type { TickLoop } from './tick-loop.ts';
import type { WaitingKeys } from './waiting-keys.ts';
import { prefixOf } from './written-keys.ts';

/** What a key takes in the registry beside its name, about. */
const keyOverheadBytes = 400;

export interface WaitsEnvironment {
  readonly keys: WaitingKeys<WaitingCommand>;
  readonly loop: TickLoop;
  readonly timers: Timers;
  readonly lease: { admit(kind: 'read' | 'write' | 'control', isFresh: boolean): Admission };
  readonly refusals: Refusals;
  readonly runs: CommandRuns;
}

/** A command that waits, as its connection keeps it. */
export class WaitingCommand implements Occupation, RunningCommand {
  readonly isWait = true;
  readonly isReply = false;
  readonly connection: ClientConnection;
  readonly request: Request;
  readonly entry: CommandEntry;
  readonly bits: number;
  readonly wait: Wait;
  readonly bytes: number;
  /** ASKING preceded it. */
  readonly asking: boolean;
  readonly #keys: WaitingKeys<WaitingCommand>;
  #timer: Timer | undefined;

  constructor({ connection, request, entry, bits }: RunningCommand, wait: Wait, { keys, timers }: WaitsEnvironment) {
    this.connection = connection;
    this.request = request.copy();
    this.entry = entry;
    this.bits = bits;
    this.wait = wait;
    this.asking = connection.askedBefore;
    this.#keys = keys;
    const prefix = prefixOf(connection.namespace);
    const names = wait.keys.map((key) => prefix + key.toString('latin1'));
    keys.add(this, names);
    this.bytes = this.request.buffer.length + this.request.bounds.byteLength + names.length * keyOverheadBytes;
    if (wait.timeoutMs > 0)
      this.#timer = afterLong(timers, wait.timeoutMs, () => connection.occupancy.unblock('timeout'));
  }

  expire(reply: ReplyWriter): void {
    this.wait.expire(reply);
  }

  left(): void {
    this.#timer?.cancel();
    this.#keys.remove(this);
  }
}

export class Waits {
  readonly #env: WaitsEnvironment;
  #serving = false;

  constructor(env: WaitsEnvironment) {
    this.#env = env;
  }

  /** A client's command has to wait. */
  begin(command: RunningCommand, wait: Wait): void {
    command.connection.occupancy.begin(new WaitingCommand(command, wait, this.#env));
  }

  /** Serves whoever waits for what was written. To be called after each outermost command, between two commands. */
  serve(): void {
    const { keys, loop } = this.#env;
    if (!keys.hasReady || this.#serving) return;
    loop.open();
    this.#serving = true;
    try {
      for (let key = keys.takeReady(); key !== undefined; key = keys.takeReady()) {
        if (this.#serveKey(key)) continue;
        // Nothing may run now: asked again when it may.
        keys.touch(key);
        break;
      }
    } finally {
      this.#serving = false;
    }
  }

  /** @returns false when the gate holds what would run. */
  #serveKey(key: string): boolean {
    let exhausted: Set<CommandDefinition> | undefined;
    for (const waiting of this.#env.keys.waitersOf(key)) {
      const { definition } = waiting.entry;
      if (exhausted?.has(definition) === true) continue;
      const outcome = this.#ask(waiting);
      if (outcome === 'held') return false;
      // Who takes from a list or a sorted set that has nothing leaves nothing to the next either.
      if (outcome === 'waits' && takes(definition, waiting.bits)) (exhausted ??= new Set()).add(definition);
    }
    return true;
  }

  #ask(waiting: WaitingCommand): 'served' | 'waits' | 'held' | 'gone' {
    const { lease, loop, runs } = this.#env;
    const { connection, entry, bits, request } = waiting;
    // Another's reply may have been what cut it.
    if (!connection.occupancy.is(waiting)) return 'gone';
    const kind = kindOfRequest(entry, bits);
    const admission = lease.admit(kind, false);
    if (admission === 'hold' || loop.isFull) return 'held';
    // A role change is under way, and ends every wait itself.
    if (admission === 'redirect' || admission === 'close' || admission === 'await-master') return 'waits';
    const { reply } = connection;
    const mark = reply.mark();
    const refusal = gateError(admission) ?? this.#refusal(waiting, request, admission);
    loop.countCommand(true);
    if (refusal !== undefined) reply.error(refusal);
    else if (!runs.retry(waiting, waiting.wait)) {
      assert(reply.length === mark, `${entry.definition.name} wrote a reply and waits on`);
      return 'waits';
    }
    waiting.left();
    connection.occupancy.finish(waiting, mark, true);
    return 'served';
  }

  #refusal(waiting: WaitingCommand, request: Request, admission: Admission): string | undefined {
    const { connection, entry, bits, asking } = waiting;
    const before = connection.asking;
    connection.asking = asking;
    const refusal = this.#env.refusals.of(connection, request, entry.definition, { bits, admission });
    connection.asking = before;
    return refusal;
  }
}

/** The whole error line of an admission that refuses. */
function gateError(admission: Admission): string | undefined {
  if (admission === 'refuse-expired') return gateErrors.expired;
  return admission === 'refuse-lapsed' ? gateErrors.lapsed : undefined;
}

function takes({ group }: CommandDefinition, bits: number): boolean {
  return (bits & flagBits.write) !== 0 && group !== 'stream';
}

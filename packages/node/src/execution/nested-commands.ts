/**
 * The commands of a script (redis.call): each is looked up, checked and run as a command of its own within the atomic part
 * of the script, whose writes become one record of the log. Nothing of them waits, and every reply is whole.
 *
 * Admission is the script's: it was let in as the write or the read it declared to be. What is checked again for each
 * command is what the script could not declare: the command, its keys' slot, and whether writes are accepted. A slot that
 * another node serves is out of reach for every script, whatever it declared.
 *
 * Error lines are those of Redis 7.2 (`script.c`) without the script's name, which whoever runs the script adds.
 */
import { assert } from '@holdfast/base';
import { Refusal, type Call } from '@holdfast/commands';
import type { ReplyWriter, Request } from '@holdfast/resp';
import type { ClientConnection } from '../net/client-connection.ts';
import { noSlot, severalSlots, slotOfRequest } from '../cluster/routing.ts';
import { bitsOfRequest, fitsArity, flagBits, type CommandEntries, type CommandEntry } from './command-entry.ts';
import type { CommandEngine, CommandRuns } from './command-runs.ts';
import type { Refusals } from './refusals.ts';

export const nestedErrors = {
  unknown: 'ERR Unknown Redis command called from script',
  arity: 'ERR Wrong number of args calling Redis command from script',
  notAllowed: 'ERR This Redis command is not allowed from script',
  readOnly: 'ERR Write commands are not allowed from read-only scripts.',
  severalSlots: 'ERR Script attempted to access keys that do not hash to the same slot',
  /** With Kvrocks' last word. */
  notLocal: 'ERR Script attempted to access a non local key in a cluster node script',
} as const;

/** Commands that a replica hands on, and that are refused to scripts that declare to write nothing. */
const handedOn = new Set(['publish', 'spublish']);

export interface NestedCommandsEnvironment {
  readonly entries: CommandEntries;
  readonly engine: CommandEngine;
  readonly runs: CommandRuns;
  readonly refusals: Refusals;
  /** Keys belong to slots. */
  readonly isCluster: boolean;
}

/** What is known of a script before it runs. */
export interface ScriptScope {
  /** EVAL_RO and the like, or the flag `no-writes`. */
  readonly readOnly: boolean;
  /** Slot of the keys it declared; undefined without keys: then the first command with a key decides. */
  readonly slot: number | undefined;
  /** Keys of several slots of this node: the flag `allow-cross-slot-keys`. */
  readonly crossSlot?: boolean;
}

export class NestedCommands {
  readonly #env: NestedCommandsEnvironment;
  #call: Call | undefined;
  #isReadOnly = false;
  #slot: number | undefined;
  #crossSlot = false;
  /** The atomic part is the script's own, not that of an EXEC around it. */
  #ownsAtomic = false;

  constructor(env: NestedCommandsEnvironment) {
    this.#env = env;
  }

  /** A script runs: between `begin` and `end` or `rollback`. */
  get isOpen(): boolean {
    return this.#call !== undefined;
  }

  /**
   * A script begins.
   * @param call of the command that runs it; its time, namespace and session are those of every command.
   * @param isQueued it runs in EXEC, whose atomic part it belongs to.
   */
  begin(call: Call, { readOnly, slot, crossSlot }: ScriptScope, isQueued: boolean): void {
    assert(this.#call === undefined, 'scripts do not nest');
    // The call is used again for the next command; a script may go on until then.
    this.#call = { nowMs: call.nowMs, namespace: call.namespace, session: call.session };
    this.#isReadOnly = readOnly;
    this.#slot = slot;
    this.#crossSlot = crossSlot ?? false;
    this.#ownsAtomic = !isQueued;
    if (this.#ownsAtomic) this.#env.engine.beginAtomic();
  }

  /** Runs one command. Writes exactly one reply, an error line when the command is refused. */
  run(request: Request, reply: ReplyWriter): void {
    const call = this.#call;
    assert(call !== undefined, 'no script runs');
    const entry = this.#env.entries.find(request);
    if (entry === undefined) {
      reply.error(nestedErrors.unknown);
      return;
    }
    const bits = bitsOfRequest(entry, request);
    const refusal = this.#refusal(call, entry, request, bits);
    const input = refusal ?? entry.definition.parse(request);
    if (refusal === undefined && !(input instanceof Refusal)) {
      this.#env.runs.runNested(call, entry, input, { reply, bits, request });
      return;
    }
    entry.rejectedCalls++;
    reply.error(input instanceof Refusal ? input.message : (refusal as string));
  }

  #refusal(call: Call, entry: CommandEntry, request: Request, bits: number): string | undefined {
    if ((bits & (flagBits['no-script'] | flagBits.transaction)) !== 0) return nestedErrors.notAllowed;
    if ((bits & flagBits.admin) !== 0 && !call.session.admin) return nestedErrors.notAllowed;
    const isWrite = (bits & flagBits.write) !== 0;
    // Before the number of arguments, as in Kvrocks.
    if (this.#isReadOnly && (isWrite || handedOn.has(entry.definition.name))) return nestedErrors.readOnly;
    if (!fitsArity(entry, request)) return nestedErrors.arity;
    const misplaced = this.#env.isCluster ? this.#slotRefusal(call, entry, request, isWrite) : undefined;
    return misplaced ?? (isWrite ? this.#env.refusals.ofWrite(bits) : undefined);
  }

  #slotRefusal(
    { session }: Call,
    { definition }: CommandEntry,
    request: Request,
    isWrite: boolean,
  ): string | undefined {
    const slot = slotOfRequest(definition, request);
    if (slot === noSlot) return undefined;
    if (slot === severalSlots) return nestedErrors.severalSlots;
    if (slot === this.#slot) return undefined;
    if (this.#env.refusals.ofRoute(session as ClientConnection, request, definition, isWrite) !== undefined) {
      return nestedErrors.notLocal;
    }
    if (this.#slot !== undefined && !this.#crossSlot) return nestedErrors.severalSlots;
    this.#slot = slot;
    return undefined;
  }

  /** The script has ended, well or with an error: what it wrote stays, as in Redis. */
  end(): void {
    if (this.#call === undefined) return;
    this.#call = undefined;
    if (this.#ownsAtomic) this.#env.engine.endAtomic();
  }

  /** The script was ended from outside: what it wrote is taken back. */
  rollback(): void {
    if (this.#call === undefined) return;
    this.#call = undefined;
    if (this.#ownsAtomic) this.#env.engine.rollbackAtomic();
  }

  /** The tick was dropped under the script, and its atomic part with it. */
  forget(): void {
    this.#call = undefined;
  }
}

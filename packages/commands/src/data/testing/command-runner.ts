/** Runs data commands against a real engine and answers with the reply's bytes, for tests. */
import assert from 'node:assert/strict';
import { defaultNamespace, type DataTypes, type Namespace, type Span } from '@holdfast/engine';
import { openTestEngine, type TestEngine } from '@holdfast/engine/testing';
import { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, type Call, type CommandDefinition } from '../../command.ts';
import type { Session } from '../../session.ts';
import type { SlicedReply } from '../../sliced.ts';
import type { Wait } from '../../waiting.ts';
import { dataCommands } from '../families.ts';

export type Argument = string | Uint8Array;

/** Data commands ask nothing of the session; whoever does fails loudly. */
const noSession = new Proxy({} as Session, {
  get(_, name): never {
    throw new Error(`a data command asked for session.${String(name)}`);
  },
});

export class CommandRunner {
  readonly types: DataTypes;
  readonly definitions: ReadonlyMap<string, CommandDefinition>;
  nowMs = 1_700_000_000_000;
  protocol: 2 | 3 = 2;
  /** False runs commands as EXEC and scripts do: nothing waits, every reply is whole. */
  mayWait = true;
  /** What the command run last waits for; its reply was then empty. */
  waiting: Wait | undefined;
  /** Set to have the events of notifications gathered, as `<class> <name> <key>`. */
  events: string[] | undefined;
  namespace: Namespace = defaultNamespace;

  constructor(types: DataTypes) {
    this.types = types;
    this.definitions = new Map(dataCommands(types).map((definition) => [definition.name, definition]));
  }

  /** The reply as one character per byte. The tick stays open. */
  run(...args: Argument[]): string {
    const name = String(args[0]).toLowerCase();
    const definition = this.definitions.get(name);
    if (definition === undefined) throw new Error(`no command ${name}`);
    const reply = new ReplyWriter();
    reply.protocol = this.protocol;
    this.types.engine.beginCommand();
    const input = definition.parse(Request.of(...args));
    this.waiting = undefined;
    if (input instanceof Refusal) reply.error(input.message);
    else definition.run(this.#call(reply), input, reply);
    return reply.take().toString('latin1');
  }

  /** Runs the command that waits again. @returns its reply; undefined when it waits on. */
  retry(): string | undefined {
    const reply = new ReplyWriter();
    reply.protocol = this.protocol;
    this.types.engine.beginCommand();
    if (this.waiting?.retry(this.#call(reply), reply) !== true) {
      assert.equal(reply.length, 0, 'a wait that goes on writes no reply');
      return undefined;
    }
    this.waiting = undefined;
    return reply.take().toString('latin1');
  }

  #call(reply: ReplyWriter): Call {
    const { events } = this;
    const call = { nowMs: this.nowMs, namespace: this.namespace, session: noSession };
    return {
      ...call,
      waits: this.mayWait ? { begin: (wait) => (this.waiting = wait) } : undefined,
      slices: this.mayWait ? { begin: (sliced) => writeAll(sliced, reply) } : undefined,
      events: events === undefined ? undefined : { emit: (...event) => void events.push(eventText(...event)) },
    };
  }

  /** As `run`, with the arguments separated by blanks. */
  line(text: string): string {
    return this.run(...text.split(' '));
  }

  commit(): void {
    this.types.engine.commit();
  }
}

function writeAll(sliced: SlicedReply, reply: ReplyWriter): void {
  try {
    while (sliced.next(reply));
  } finally {
    sliced.close();
  }
}

function eventText(kind: string, name: string, _namespace: Namespace, key: Span): string {
  return `${kind} ${name} ${key.buffer.toString('latin1', key.start, key.end)}`;
}

export interface TestCommands extends AsyncDisposable {
  readonly runner: CommandRunner;
  readonly opened: TestEngine;
}

export async function openTestCommands(slotPrefixed = false, dir?: string): Promise<TestCommands> {
  const opened = await openTestEngine({ slotPrefixed }, dir);
  return {
    opened,
    runner: new CommandRunner(opened.types),
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

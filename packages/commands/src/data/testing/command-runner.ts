/** Runs data commands against a real engine and answers with the reply's bytes, for tests. */
import { defaultNamespace, type DataTypes, type Namespace } from '@holdfast/engine';
import { openTestEngine, type TestEngine } from '@holdfast/engine/testing';
import { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, type Call, type CommandDefinition } from '../../command.ts';
import { genericCommands } from '../../generic/index.ts';
import { hashCommands } from '../../hash/index.ts';
import type { Session } from '../../session.ts';
import { stringCommands } from '../../string/index.ts';

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
  namespace: Namespace = defaultNamespace;

  constructor(types: DataTypes) {
    this.types = types;
    const all = [...stringCommands(types), ...hashCommands(types), ...genericCommands(types)];
    this.definitions = new Map(all.map((definition) => [definition.name, definition]));
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
    const call: Call = { nowMs: this.nowMs, namespace: this.namespace, session: noSession };
    if (input instanceof Refusal) reply.error(input.message);
    else definition.run(call, input, reply);
    return reply.take().toString('latin1');
  }

  /** As `run`, with the arguments separated by blanks. */
  line(text: string): string {
    return this.run(...text.split(' '));
  }

  commit(): void {
    this.types.engine.commit();
  }
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

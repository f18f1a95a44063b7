/** A session without a connection, and running one command on it as the dispatcher would, without its checks. */
import type { Transport } from '@holdfast/base';
import type { Namespace } from '@holdfast/engine';
import { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, type CommandDefinition } from '../command.ts';
import type { Deferred, Session } from '../session.ts';
import { arityFits } from '../table.ts';

export function namespaceOfName(name: string): Namespace {
  return { name, prefix: Buffer.concat([Buffer.of(name.length), Buffer.from(name)]) };
}

export class FakeSession implements Session {
  readonly id: number;
  readonly peer: string;
  readonly local = '127.0.0.1:6666';
  readonly createdAtMs = 1_700_000_000_000;
  readonly reply: ReplyWriter = new ReplyWriter();
  name = '';
  libraryName = '';
  libraryVersion = '';
  namespace: Namespace = namespaceOfName('__namespace');
  authenticated = true;
  admin = true;
  readonlyMode = false;
  asking = false;
  noEvict = false;
  replyMode: 'on' | 'off' | 'skip' = 'on';
  queued: Request[] | undefined;
  queueRefused = false;
  subscriptions = 0;
  readonly inputBytes = 0;
  readonly outputBytes = 0;
  readonly memoryBytes = 512;
  readonly blocked = false;
  monitoring = false;
  lastCommand = '';
  lastCommandAtMs = 1_700_000_000_000;
  closing = false;
  /** What put-off replies wrote, in order. */
  readonly later: string[] = [];

  constructor(id = 1) {
    this.id = id;
    this.peer = `127.0.0.1:${5000 + id}`;
  }

  get protocol(): 2 | 3 {
    return this.reply.protocol;
  }

  set protocol(version: 2 | 3) {
    this.reply.protocol = version;
  }

  closeAfterReply(): void {
    this.closing = true;
  }

  defer(): Deferred {
    let settled = false;
    return {
      get settled(): boolean {
        return settled;
      },
      complete: (write): void => {
        if (settled) return;
        settled = true;
        const late = new ReplyWriter();
        write(late);
        this.later.push(late.take().toString('latin1'));
      },
      abandon: (): void => void (settled = true),
    };
  }

  detach(): Transport {
    throw new Error('a fake session has no byte stream');
  }
}

/**
 * Parses and runs one command.
 * @returns the reply's bytes as one character each; a wrong arity as `(arity)`.
 */
export function runOn(
  definitions: Iterable<CommandDefinition>,
  session: FakeSession,
  words: readonly (string | Buffer)[],
  nowMs = 1_700_000_001_234,
): string {
  const request = Request.of(...words);
  const definition = [...definitions].find(({ name }) => request.is(0, name));
  if (definition === undefined) throw new Error(`no command ${request.latin1(0)}`);
  if (!arityFits(definition, request)) return '(arity)';
  const input = definition.parse(request);
  if (input instanceof Refusal) session.reply.error(input.message);
  else definition.run({ nowMs, namespace: session.namespace, session }, input, session.reply);
  return session.reply.take().toString('latin1');
}

/** PING ECHO AUTH HELLO QUIT RESET SELECT CLIENT: the connection itself. None of them touches a key. */
import type { Request } from '@holdfast/resp';
import { Refusal, define, noKeys, type CommandDefinition, type CommandFlag } from '../command.ts';
import { authenticate, authenticationErrors, becomeNew, onlyUser } from './authentication.ts';
import { clientCommand } from './client.ts';
import { helloCommand } from './hello.ts';
import type { ConnectionPort } from './port.ts';

/** What every command of this family has in common. */
function base(name: string, arity: number, flags: readonly CommandFlag[], since: string) {
  return { name, arity, flags, keys: noKeys, group: 'connection', since, complexity: 'O(1)' } as const;
}

const nothing = Buffer.alloc(0);

function ping(): CommandDefinition {
  return define<Buffer | undefined>({
    ...base('ping', -1, ['fast', 'stale'], '1.0.0'),
    summary: 'Answers PONG, or the given text; a RESP2 subscriber gets both in an array.',
    parse(request): Buffer | undefined | Refusal {
      if (request.count > 2) return new Refusal("ERR wrong number of arguments for 'ping' command");
      return request.count === 2 ? request.bytes(1) : undefined;
    },
    run({ session }, text, reply): void {
      if (session.subscriptions > 0 && session.protocol === 2) {
        // Between messages, which are arrays, a client library expects arrays.
        reply.array(2);
        reply.bulkLatin1('pong');
        reply.bulk(text ?? nothing);
      } else if (text === undefined) reply.simple('PONG');
      else reply.bulk(text);
    },
  });
}

function echo(): CommandDefinition {
  return define<Buffer>({
    ...base('echo', 2, ['fast', 'loading', 'stale'], '1.0.0'),
    summary: 'Answers the given text.',
    parse: (request) => request.bytes(1),
    run: (_call, text, reply) => reply.bulk(text),
  });
}

export function parseAuth(request: Request): Buffer | Refusal {
  if (request.count > 3) return new Refusal("ERR wrong number of arguments for 'auth' command");
  if (request.count === 2) return request.bytes(1);
  return request.is(1, onlyUser) ? request.bytes(2) : new Refusal(authenticationErrors.wrong);
}

function auth(port: ConnectionPort): CommandDefinition {
  return define<Buffer>({
    ...base('auth', -2, ['noauth', 'loading', 'stale', 'fast', 'no-script', 'no-multi'], '1.0.0'),
    summary: 'Authenticates the connection: the password, or the token of a namespace.',
    parse: parseAuth,
    run(call, secret, reply): void {
      const refusal = authenticate(port, call.session, secret);
      if (refusal === undefined) reply.ok();
      else reply.error(refusal);
    },
  });
}

function quit(): CommandDefinition {
  return define<null>({
    ...base('quit', -1, ['noauth', 'loading', 'stale', 'fast', 'no-script', 'transaction'], '1.0.0'),
    summary: 'Closes the connection.',
    parse: () => null,
    run(call, _input, reply): void {
      reply.ok();
      call.session.closeAfterReply();
    },
  });
}

function reset(port: ConnectionPort): CommandDefinition {
  return define<null>({
    ...base('reset', 1, ['noauth', 'loading', 'stale', 'fast', 'no-script', 'transaction'], '6.2.0'),
    summary: 'Puts the connection back to its first state, authentication included.',
    parse: () => null,
    run({ session }, _input, reply): void {
      session.queued = undefined;
      session.queueRefused = false;
      session.asking = false;
      session.readonlyMode = false;
      session.noEvict = false;
      session.replyMode = 'on';
      session.protocol = 2;
      session.name = '';
      becomeNew(port, session);
      port.reset(session);
      reply.simple('RESET');
    },
  });
}

function select(): CommandDefinition {
  return define<null>({
    ...base('select', 2, ['fast', 'loading', 'stale'], '1.0.0'),
    summary: 'Accepted without effect: there is one database per namespace.',
    parse: () => null,
    run: (_call, _input, reply) => reply.ok(),
  });
}

export function connectionCommands(port: ConnectionPort): CommandDefinition[] {
  return [ping(), echo(), auth(port), define(helloCommand(port)), quit(), reset(port), select(), clientCommand(port)];
}

export type { ClientFacts, ConnectionPort } from './port.ts';

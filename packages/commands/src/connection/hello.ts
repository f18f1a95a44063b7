/** HELLO: protocol version, authentication and name in one step; all or nothing. */
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, errors, noKeys, type Call, type CommandDefinition } from '../command.ts';
import { authenticate, authenticationErrors, onlyUser } from './authentication.ts';
import type { ConnectionPort } from './port.ts';

interface HelloInput {
  readonly protocol: 2 | 3 | undefined;
  readonly secret: Buffer | undefined;
  readonly name: string | undefined;
}

const notAuthenticated =
  'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> ' +
  '<pass> option can be used to authenticate the client and select the RESP protocol version at the same time';

/** `AUTH [user] password` at `at`: with one argument, or one before SETNAME, it is the password alone (Kvrocks). */
function parseAuth(request: Request, at: number): { secret: Buffer; next: number } | Refusal {
  const left = request.count - at - 1;
  if (left < 1) return new Refusal(errors.syntax);
  const alone = left === 1 || (left === 3 && request.is(at + 2, 'setname'));
  if (alone) return { secret: request.bytes(at + 1), next: at + 2 };
  if (!request.is(at + 1, onlyUser)) return new Refusal(authenticationErrors.wrong);
  return { secret: request.bytes(at + 2), next: at + 3 };
}

export function parseHello(request: Request): HelloInput | Refusal {
  let protocol: 2 | 3 | undefined;
  let secret: Buffer | undefined;
  let name: string | undefined;
  if (request.count > 1) {
    const version = request.integer(1);
    if (Number.isNaN(version)) return new Refusal('ERR Protocol version is not an integer or out of range');
    if (version !== 2 && version !== 3) return new Refusal('NOPROTO unsupported protocol version');
    protocol = version;
  }
  for (let at = 2; at < request.count;) {
    if (request.is(at, 'auth')) {
      const auth = parseAuth(request, at);
      if (auth instanceof Refusal) return auth;
      ({ secret, next: at } = auth);
    } else if (request.is(at, 'setname') && at + 1 < request.count) {
      name = request.latin1(at + 1);
      if (!/^[!-~]*$/.test(name))
        return new Refusal('ERR Client names cannot contain spaces, newlines or special characters.');
      at += 2;
    } else return new Refusal(`ERR Syntax error in HELLO option '${request.latin1(at).slice(0, 64)}'`);
  }
  return { protocol, secret, name };
}

/** What Kvrocks 2.10 says here, and its suite asserts; INFO says which Redis the commands are like. */
const helloVersion = '4.0.0';

/** The six fields of Kvrocks (Redis has a seventh, `id`). */
function writeAnswer(port: ConnectionPort, call: Call, reply: ReplyWriter): void {
  const text = (name: string, value: string): void => {
    reply.bulkText(name);
    reply.bulkText(value);
  };
  reply.map(6);
  text('server', 'redis');
  text('version', helloVersion);
  reply.bulkText('proto');
  reply.integer(call.session.protocol);
  text('mode', port.mode);
  text('role', port.role());
  reply.bulkText('modules');
  reply.nilArray();
}

export function helloCommand(port: ConnectionPort): CommandDefinition<HelloInput> {
  return {
    name: 'hello',
    arity: -1,
    flags: ['noauth', 'loading', 'stale', 'fast', 'no-script', 'no-multi'],
    keys: noKeys,
    group: 'connection',
    since: '6.0.0',
    complexity: 'O(1)',
    summary: 'Agrees on the protocol version; may authenticate and name the connection.',
    parse: parseHello,
    run(call, { protocol, secret, name }, reply): void {
      const { session } = call;
      const refusal = secret === undefined ? undefined : authenticate(port, session, secret);
      if (refusal !== undefined) reply.error(refusal);
      else if (!session.authenticated) reply.error(notAuthenticated);
      else {
        if (protocol !== undefined) session.protocol = port.resp3Enabled() ? protocol : 2;
        if (name !== undefined) session.name = name;
        writeAnswer(port, call, reply);
      }
    },
  };
}

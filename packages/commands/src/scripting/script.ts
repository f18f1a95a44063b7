/** SCRIPT LOAD EXISTS FLUSH KILL DEBUG. */
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, type CommandDefinition } from '../command.ts';
import { commandWithRows, noArguments, subCommand } from '../sub-command.ts';
import type { ScriptingPort } from './port.ts';

function kill(port: ScriptingPort, what: 'script' | 'function', reply: ReplyWriter): void {
  const refusal = port.kill(what);
  if (refusal === undefined) reply.ok();
  else reply.error(refusal);
}

/** ASYNC and SYNC mean the same here: nothing takes long. */
function parseFlush(request: Request): null | Refusal {
  const isPlain = request.count === 2 || (request.count === 3 && (request.is(2, 'async') || request.is(2, 'sync')));
  return isPlain ? null : new Refusal('ERR SCRIPT FLUSH only support SYNC|ASYNC option');
}

function parseDebug(request: Request): Refusal {
  const isMode = request.is(2, 'yes') || request.is(2, 'sync') || request.is(2, 'no');
  return new Refusal(isMode ? 'ERR the debugger of scripts is not available' : 'ERR Use SCRIPT DEBUG YES/SYNC/NO');
}

export function scriptCommand(port: ScriptingPort): CommandDefinition {
  return commandWithRows({
    name: 'script',
    flags: ['no-script', 'slow'],
    group: 'scripting',
    since: '2.6.0',
    summary: 'Scripts that are known by name, and the one that runs.',
    rows: [
      subCommand<Buffer>({
        name: 'load',
        arity: 3,
        usage: '<script>',
        summary: 'Keeps a script, to be run by EVALSHA.',
        flags: ['write'],
        parse: (request) => Buffer.from(request.bytes(2)),
        run(_call, body, reply): void {
          const loaded = port.load(body);
          if (typeof loaded === 'string') reply.error(loaded);
          else reply.bulkLatin1(loaded.sha);
        },
      }),
      subCommand<readonly string[]>({
        name: 'exists',
        arity: -3,
        usage: '<sha1> [<sha1> ...]',
        summary: 'Whether scripts are known.',
        parse: (request) => Array.from({ length: request.count - 2 }, (_, i) => request.latin1(i + 2).toLowerCase()),
        run(_call, names, reply): void {
          reply.array(names.length);
          for (const name of names) reply.integer(port.exists(name) ? 1 : 0);
        },
      }),
      subCommand<null>({
        name: 'flush',
        arity: -2,
        usage: '[ASYNC|SYNC]',
        summary: 'Forgets every script.',
        flags: ['write'],
        parse: parseFlush,
        run(_call, _input, reply): void {
          port.flush();
          reply.ok();
        },
      }),
      subCommand<null>({
        name: 'kill',
        arity: 2,
        usage: '',
        summary: 'Ends the running script, unless it has written.',
        parse: noArguments,
        run: (_call, _input, reply) => kill(port, 'script', reply),
      }),
      subCommand<null>({
        name: 'debug',
        arity: 3,
        usage: 'YES|SYNC|NO',
        summary: 'Refused: there is no debugger.',
        parse: parseDebug,
        run: () => undefined,
      }),
    ],
  });
}

export { kill };

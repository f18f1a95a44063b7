/** CLIENT PAUSE, UNPAUSE and UNBLOCK: when other clients go on. */
import type { Request } from '@holdfast/resp';
import { Refusal, errors } from '../command.ts';
import { noArguments, subCommand, type SubCommand } from '../sub-command.ts';
import type { ConnectionPort } from './port.ts';

interface PauseInput {
  readonly durationMs: number;
  readonly mode: 'write' | 'all';
}

export function parsePause(request: Request): PauseInput | Refusal {
  if (request.count > 4) return new Refusal(errors.syntax);
  let mode: PauseInput['mode'] = 'all';
  if (request.count === 4) {
    if (request.is(3, 'write')) mode = 'write';
    else if (!request.is(3, 'all')) return new Refusal('ERR CLIENT PAUSE mode must be WRITE or ALL');
  }
  const durationMs = request.integer(2);
  if (Number.isNaN(durationMs)) return new Refusal('ERR timeout is not an integer or out of range');
  return durationMs < 0 ? new Refusal('ERR timeout is negative') : { durationMs, mode };
}

interface UnblockInput {
  readonly id: number;
  readonly how: 'timeout' | 'error';
}

export function parseUnblock(request: Request): UnblockInput | Refusal {
  if (request.count > 4) return new Refusal(errors.syntax);
  let how: UnblockInput['how'] = 'timeout';
  if (request.count === 4) {
    if (request.is(3, 'error')) how = 'error';
    else if (!request.is(3, 'timeout')) {
      return new Refusal('ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR');
    }
  }
  const id = request.int64(2);
  return id === undefined ? new Refusal(errors.notInteger) : { id: Number(id), how };
}

export function pauseRows(port: ConnectionPort): SubCommand[] {
  return [
    subCommand<PauseInput>({
      name: 'pause',
      arity: -3,
      usage: '<timeout> [WRITE|ALL]',
      summary: 'Holds the commands of all clients, or their writes, for so many milliseconds.',
      flags: ['admin'],
      parse: parsePause,
      run: (_call, { mode, durationMs }, reply) => {
        port.pause(mode, durationMs);
        reply.ok();
      },
    }),
    subCommand<null>({
      name: 'unpause',
      arity: 2,
      usage: '',
      summary: 'Lets held commands go on.',
      flags: ['admin'],
      parse: noArguments,
      run: (_call, _input, reply) => {
        port.unpause();
        reply.ok();
      },
    }),
    subCommand<UnblockInput>({
      name: 'unblock',
      arity: -3,
      usage: '<client-id> [TIMEOUT|ERROR]',
      summary: 'Ends the wait of a client, as by its timeout or with an error.',
      parse: parseUnblock,
      run: ({ session }, { id, how }, reply) => {
        const isVisible = [...port.clients()].some(
          (client) => client.id === id && (session.admin || client.namespace.name === session.namespace.name),
        );
        reply.integer(isVisible && port.unblock(id, how) ? 1 : 0);
      },
    }),
  ];
}

/**
 * Opens connections at the place where it is started and hands them to the process that started it: a socket stays in the
 * network it was made in, whoever holds it. It ends with its parent.
 */
import { connect, type Socket } from 'node:net';
import { dieWithParent } from '@holdfast/base/real';
import type { OpenerAnswer, OpenerRequest } from './inside-connector.ts';

dieWithParent(Number(process.env['HOLDFAST_PARENT_PID']));

function answer(message: OpenerAnswer, socket?: Socket): void {
  // Nobody waits any more when it cannot be sent.
  process.send?.(message, socket, undefined, () => undefined);
}

process.on('message', ({ id, host, port, timeoutMs }: OpenerRequest) => {
  const socket = connect({ host, port, allowHalfOpen: true });
  // What the peer says belongs to the one who gets the socket.
  socket.pause();
  const timer = setTimeout(() => socket.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  socket.once('connect', () => {
    clearTimeout(timer);
    answer({ id, failure: undefined }, socket);
  });
  socket.once('error', ({ message }) => {
    clearTimeout(timer);
    answer({ id, failure: message });
  });
});

process.on('disconnect', () => process.exit());

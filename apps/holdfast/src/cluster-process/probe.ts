/** Questions by which a starting process is known to be ready. None of them throws. */
import { connect } from 'node:net';

const patienceMs = 1_000;

/** True when a node answers PING here, or asks for a password: it has loaded its data. */
export function answersPing({ host, port }: { readonly host: string; readonly port: number }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    let answer = '';
    const settle = (ready: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(ready);
    };
    const timer = setTimeout(() => settle(false), patienceMs);
    socket.once('error', () => settle(false));
    socket.once('end', () => settle(false));
    socket.once('connect', () => socket.write('*1\r\n$4\r\nPING\r\n'));
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
      if (answer.includes('\r\n')) settle(/^(\+PONG|-NOAUTH)/.test(answer));
    });
  });
}

/** True when this URL answers with a status of 2xx. */
export async function answersOk(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(patienceMs) })).ok;
  } catch {
    return false;
  }
}

/**
 * The thread that serves HTTP. It talks to the controller by messages only: `{id, call}` out, `{id, reply}` back; first
 * of all it says that it listens, or why not.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { assert, messageOf } from '@holdfast/base';
import type { ApiCall, ApiReply } from '../api.ts';
import { httpApp } from './app.ts';

export interface HttpThreadData {
  readonly host: string;
  readonly port: number;
}

export type FromThread =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'call'; readonly id: number; readonly call: ApiCall };

export interface ToThread {
  readonly id: number;
  readonly reply: ApiReply;
}

assert(parentPort !== null, 'http-thread.ts runs as a worker');
const port = parentPort;
const waiting = new Map<number, (reply: ApiReply) => void>();
let nextId = 1;

const app = httpApp((call) => {
  return new Promise((resolve) => {
    const id = nextId++;
    waiting.set(id, resolve);
    port.postMessage({ kind: 'call', id, call } satisfies FromThread);
  });
});

port.on('message', ({ id, reply }: ToThread) => {
  waiting.get(id)?.(reply);
  waiting.delete(id);
});

const { host, port: tcpPort } = workerData as HttpThreadData;
app.listen({ host, port: tcpPort }).then(
  () => {
    const address = app.server.address();
    const bound = typeof address === 'object' && address !== null ? address.port : tcpPort;
    port.postMessage({ kind: 'listening', port: bound } satisfies FromThread);
  },
  (error: unknown) => port.postMessage({ kind: 'failed', message: messageOf(error) } satisfies FromThread),
);

/**
 * The REST API on a thread of its own, so that parsing, slow readers and storms of requests never delay a heartbeat
 * (design: controller, "REST and dashboard do not share a thread with heartbeats").
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { FatalError, formatEndpoint } from '@holdfast/base';
import type { ApiCall, ApiReply } from '../api.ts';
import type { FromThread, HttpThreadData, ToThread } from './http-thread.ts';

export interface HttpServerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  call(call: ApiCall): Promise<ApiReply>;
  /** The thread died. */
  onFailure(error: unknown): void;
}

export interface HttpServer {
  readonly port: number;
  close(): Promise<void>;
}

/** @throws FatalError (exit status 3) when the address cannot be listened on. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { host, port } = options;
  const data: HttpThreadData = { host, port };
  const worker = new Worker(new URL('./http-thread.ts', import.meta.url), { workerData: data });
  let isClosing = false;
  worker.on('error', (error) => options.onFailure(error));
  worker.on('exit', (code) => {
    if (!isClosing) options.onFailure(new FatalError(`the HTTP thread ended with status ${code}`, 3));
  });
  const [first] = (await once(worker, 'message')) as [FromThread];
  if (first.kind !== 'listening') {
    isClosing = true;
    await worker.terminate();
    const reason = first.kind === 'failed' ? first.message : 'it answered out of turn';
    throw new FatalError(`cannot serve the API on ${formatEndpoint({ host, port })}: ${reason}`, 3);
  }
  worker.on('message', (message: FromThread) => {
    if (message.kind !== 'call') return;
    const { id } = message;
    options.call(message.call).then(
      (reply) => worker.postMessage({ id, reply } satisfies ToThread),
      () => undefined, // The controller is ending and says why itself; the connection is cut with the process.
    );
  });
  return {
    port: first.port,
    close: async (): Promise<void> => {
      isClosing = true;
      await worker.terminate();
    },
  };
}

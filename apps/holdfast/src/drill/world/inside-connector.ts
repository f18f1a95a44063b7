/** Connections as a process on the host of another place opens them: by a process that is started there. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { OperationError, formatEndpoint, type Connector, type Endpoint, type Transport } from '@holdfast/base';
import { socketTransport } from '@holdfast/base/real';

export interface OpenerRequest {
  readonly id: number;
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
}

export interface OpenerAnswer {
  readonly id: number;
  /** Why there is no connection; undefined when one comes with this. */
  readonly failure: string | undefined;
}

interface Waiting {
  readonly endpoint: Endpoint;
  readonly resolve: (transport: Transport) => void;
  readonly reject: (error: OperationError) => void;
}

/**
 * @param launch what stands before a command that is to run at the place.
 * @returns when the process there runs; it ends with this one.
 * @throws OperationError DRILL_SYSTEM when it cannot be started.
 */
export async function insideConnector(launch: readonly string[]): Promise<Connector> {
  const [execPath = process.execPath, ...before] = [...launch, process.execPath, ...process.execArgv];
  const child = fork(fileURLToPath(new URL('./opener.ts', import.meta.url)), {
    execPath,
    execArgv: before,
    stdio: ['ignore', 2, 2, 'ipc'],
    env: { ...process.env, HOLDFAST_PARENT_PID: String(process.pid) },
  });
  try {
    await once(child, 'spawn');
  } catch (error) {
    const message = `${[execPath, ...before].join(' ')} cannot be started`;
    throw new OperationError('DRILL_SYSTEM', message, { outcome: 'not-applied', cause: error });
  }
  // It must not keep this process alive.
  child.unref();
  child.channel?.unref();
  return connectorOf(child);
}

function connectorOf(child: ChildProcess): Connector {
  const waiting = new Map<number, Waiting>();
  let last = 0;
  const fail = (id: number, reason: string): void => {
    const open = waiting.get(id);
    if (open === undefined || !waiting.delete(id)) return;
    const message = `cannot connect to ${formatEndpoint(open.endpoint)}: ${reason}`;
    open.reject(new OperationError('NET_CONNECT', message, { outcome: 'not-applied' }));
  };
  child.on('message', ({ id, failure }: OpenerAnswer, socket) => {
    const open = waiting.get(id);
    if (failure !== undefined || socket === undefined) return fail(id, failure ?? 'it was closed at once');
    const stream = socket as Socket;
    if (open === undefined) return void stream.destroy();
    waiting.delete(id);
    stream.allowHalfOpen = true;
    open.resolve(socketTransport(stream));
  });
  child.once('exit', () => {
    for (const id of waiting.keys()) fail(id, 'the process that opens connections there has ended');
  });
  return {
    connect: (endpoint, { timeoutMs }) =>
      new Promise((resolve, reject) => {
        const id = ++last;
        waiting.set(id, { endpoint, resolve, reject });
        const request: OpenerRequest = { id, host: endpoint.host, port: endpoint.port, timeoutMs };
        child.send(request, (error) => {
          if (error !== null) fail(id, error.message);
        });
      }),
  };
}

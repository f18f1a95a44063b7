/** Loopback peers for tests of the balancer: backends that record what they are sent, and clients. */
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

export interface Backend {
  readonly address: string;
  readonly server: Server;
  /** Every connection accepted, oldest first. */
  readonly sockets: Socket[];
  /** Everything received, over all connections. */
  received(): string;
  /** Resolves when `count` connections have been accepted. */
  connections(count: number): Promise<readonly Socket[]>;
}

/** Sends back what it receives, and ends when the peer does. */
function echo(socket: Socket): void {
  socket.on('data', (chunk) => socket.write(chunk));
  socket.on('end', () => socket.end());
}

/** Resolves to the code of the error that closed the socket, or to 'closed'. */
export function closeOf(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.once('close', () => resolve((socket.errored as NodeJS.ErrnoException | null)?.code ?? 'closed'));
  });
}

/** A backend on a free port; `onConnection` says what it does. */
export async function startBackend(t: TestContext, onConnection: (socket: Socket) => void = echo): Promise<Backend> {
  const sockets: Socket[] = [];
  let received = '';
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    onConnection(socket);
    if (socket.listenerCount('data') > 0) socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    server,
    sockets,
    received: () => received,
    async connections(count: number): Promise<readonly Socket[]> {
      while (sockets.length < count) await once(server, 'connection');
      return sockets;
    },
  };
}

export interface Client {
  readonly socket: Socket;
  /** Everything received so far. */
  received(): string;
  /** Resolves when at least `length` bytes were received. */
  receive(length: number): Promise<string>;
  /** Resolves to `end` at a FIN, or to the error's code. */
  readonly ended: Promise<string>;
}

/** Connects; the promise of `ended` never rejects. */
export async function connectTo(t: TestContext, address: string): Promise<Client> {
  const [host = '', port] = address.split(':');
  const socket = connect({ host, port: Number(port), allowHalfOpen: true });
  t.after(() => socket.destroy());
  let received = '';
  socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')));
  const ended = new Promise<string>((resolve) => {
    socket.once('end', () => resolve('end'));
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.once('close', () => resolve('closed'));
  });
  await new Promise<void>((resolve) => {
    socket.once('connect', resolve);
    socket.once('close', () => resolve());
  });
  return {
    socket,
    ended,
    received: () => received,
    async receive(length: number): Promise<string> {
      while (received.length < length) await once(socket, 'data');
      return received;
    },
  };
}

const listenAndHang = `
  const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    require('node:fs').writeSync(1, server.address().port + '\\n');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });
`;

/** The address of a process that hangs and whose backlog is full: a connection to it stays in the making. */
export async function startDeafBackend(t: TestContext): Promise<string> {
  const child = spawn(process.execPath, ['-e', listenAndHang], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const port = Number(line.toString());
  const fillers = Array.from({ length: 4 }, () => connect({ host: '127.0.0.1', port }).on('error', () => undefined));
  t.after(() => fillers.forEach((socket) => socket.destroy()));
  // Linux queues one more than the backlog says.
  let established = 0;
  await new Promise<void>((resolve) => {
    for (const socket of fillers) socket.once('connect', () => ++established === 2 && resolve());
  });
  return `127.0.0.1:${port}`;
}

/**
 * The control thread: a listener of its own, so that heartbeats are answered while the main loop works.
 *
 * It renews the lease by compare-and-swap on the shared word, counts every deadline from the node's own earlier clock
 * reading (the echoed token), and stops renewing when the main loop has stood still for longer than the stall limit.
 * Everything but HEARTBEAT, AUTH and PING is forwarded to the main loop, one request per connection at a time.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type Socket } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { ProtocolError, messageOf } from '@holdfast/base';
import { leaseClockMs } from '@holdfast/base/real';
import { ReplyWriter, RequestDecoder, defaultRequestLimits, type Request } from '@holdfast/resp';
import { HeartbeatResponder } from '../lease/heartbeat.ts';
import { SharedLease } from '../lease/shared-lease.ts';
import type { ControlThreadData, FromControl, ToControl } from './control-protocol.ts';

const port = parentPort;
if (port === null) throw new Error('control-thread.ts runs as a worker thread');
const data = workerData as ControlThreadData;
let password = data.password;
const responder = new HeartbeatResponder(
  {
    shared: new SharedLease(data.shared),
    processId: data.processId,
    stallLimitMs: data.stallLimitMs,
    nowMs: leaseClockMs,
    renewed: () => post({ kind: 'renewed' }),
    sawEpoch: (epoch) => post({ kind: 'saw-epoch', epoch }),
  },
  data.report,
);

function post(message: FromControl): void {
  port?.postMessage(message);
}

const pendingCalls = new Map<number, (bytes: Uint8Array) => void>();
let lastCall = 0;

/** Controllers, operators and the odd probe; never clients. */
const connectionsMax = 256;
/** A SETNODES of a thousand nodes with a slot range for each is well below this. */
const bulkBytesMax = 16 * 1024 * 1024;
/** Unsent replies above which the peer is cut: it asks and does not read. */
const outputBytesMax = 1024 * 1024;

class ControlConnection {
  readonly #socket: Socket;
  readonly #peer: string;
  readonly #decoder = new RequestDecoder({
    ...defaultRequestLimits(),
    maxArguments: 1024,
    maxBulkBytes: bulkBytesMax,
    maxRequestBytes: 2 * bulkBytesMax,
    unauthenticated: password !== '',
  });
  readonly #reply = new ReplyWriter();
  #authenticated = password === '';
  #forwarding = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#peer = `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? 0}`;
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      this.#decoder.push(chunk);
      this.#pump();
    });
  }

  #pump(): void {
    try {
      while (!this.#forwarding && this.#decoder.next()) {
        this.#execute(this.#decoder.request);
        if (this.#socket.writableLength + this.#reply.length <= outputBytesMax) continue;
        this.#socket.destroy();
        return;
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#reply.error(messageOf(error));
      this.#socket.end(this.#reply.take());
      return;
    }
    this.#flush();
  }

  #flush(): void {
    if (this.#reply.length > 0) this.#socket.write(this.#reply.take());
  }

  #execute(request: Request): void {
    if (request.is(0, 'auth')) this.#auth(request);
    else if (!this.#authenticated) this.#reply.error('NOAUTH Authentication required.');
    else if (request.is(0, 'ping')) this.#reply.simple('PONG');
    else if (request.count >= 2 && request.is(0, 'clusterx') && request.is(1, 'heartbeat')) {
      responder.answer(request, this.#reply);
    } else this.#forward(request);
  }

  #auth(request: Request): void {
    if (request.count !== 2 && request.count !== 3)
      this.#reply.error("ERR wrong number of arguments for 'auth' command");
    else if (password === '') this.#reply.error('ERR Client sent AUTH, but no password is set');
    else if (sameSecret(request.bytes(request.count - 1), password)) {
      this.#authenticated = true;
      this.#decoder.limits.unauthenticated = false;
      this.#reply.ok();
    } else this.#reply.error('ERR Invalid password');
  }

  /** The main loop runs it; this connection's further requests wait for the reply. */
  #forward(request: Request): void {
    const args: Uint8Array[] = [];
    for (let i = 0; i < request.count; i++) args.push(Uint8Array.from(request.bytes(i)));
    this.#forwarding = true;
    this.#socket.pause();
    const call = ++lastCall;
    pendingCalls.set(call, (bytes) => {
      pendingCalls.delete(call);
      this.#forwarding = false;
      if (this.#socket.destroyed) return;
      this.#reply.raw(bytes);
      this.#socket.resume();
      this.#pump();
    });
    post({ kind: 'call', call, peer: this.#peer, args });
  }
}

/** Compares without telling by its time how much of a guess was right. */
function sameSecret(given: Uint8Array, secret: string): boolean {
  const digest = (bytes: Uint8Array | string): Buffer => createHash('sha256').update(bytes).digest();
  return timingSafeEqual(digest(given), digest(secret));
}

const server = createServer((socket) => new ControlConnection(socket));
server.maxConnections = connectionsMax;
server.on('error', (error) => {
  // Once it listens, an error means that one connection could not be accepted.
  if (!server.listening) post({ kind: 'failed', reason: messageOf(error) });
});
server.listen({ host: data.host, port: data.port }, () => {
  const bound = server.address();
  post({ kind: 'listening', port: typeof bound === 'object' && bound !== null ? bound.port : data.port });
});

port.on('message', (message: ToControl) => {
  switch (message.kind) {
    case 'report':
      responder.update(message.report);
      break;
    case 'password':
      password = message.password;
      break;
    case 'reply':
      pendingCalls.get(message.call)?.(message.bytes);
      break;
    case 'stop':
      server.close();
      break;
    default:
      message satisfies never;
  }
});

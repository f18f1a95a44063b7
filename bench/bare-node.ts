/**
 * The floor that JavaScript sets: a server on node:net that parses with our decoder, keeps values in a Map and writes with
 * our reply writer, and does nothing else: no table of commands, no gates, no tick, no storage. Replies leave as a node's
 * do, with one write per connection at the end of the event loop's turn. PING, SET and GET; everything else is refused.
 *
 * Usage: bare-node.ts <port> <pid of the process that starts it, with which it ends>
 */
import { createServer, type Socket } from 'node:net';
import { dieWithParent } from '@holdfast/base/real';
import { ReplyWriter, RequestDecoder, type Request } from '@holdfast/resp';

const values = new Map<string, Buffer>();

class Connection {
  readonly #socket: Socket;
  readonly #decoder = new RequestDecoder();
  readonly #reply = new ReplyWriter();
  #owes = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', () => socket.destroy());
  }

  #take(chunk: Buffer): void {
    if (!this.#owes) {
      this.#owes = true;
      if (owing.push(this) === 1) setImmediate(releaseAll);
    }
    this.#decoder.push(chunk);
    try {
      while (this.#decoder.next()) execute(this.#decoder.request, this.#reply);
    } catch {
      this.#socket.destroy();
    }
  }

  release(): void {
    this.#owes = false;
    if (this.#reply.length > 0) this.#socket.write(this.#reply.take());
  }
}

function execute(request: Request, reply: ReplyWriter): void {
  if (request.is(0, 'ping')) {
    reply.simple('PONG');
  } else if (request.is(0, 'get')) {
    const value = values.get(request.latin1(1));
    if (value === undefined) reply.nil();
    else reply.bulk(value);
  } else if (request.is(0, 'set')) {
    values.set(request.latin1(1), Buffer.from(request.bytes(2)));
    reply.ok();
  } else if (request.is(0, 'mset')) {
    // For the filling only.
    for (let i = 1; i < request.count; i += 2) values.set(request.latin1(i), Buffer.from(request.bytes(i + 1)));
    reply.ok();
  } else {
    reply.error('ERR unknown command');
  }
}

let owing: Connection[] = [];

function releaseAll(): void {
  const released = owing;
  owing = [];
  for (const connection of released) connection.release();
}

dieWithParent(Number(process.argv[3]));
createServer((socket) => new Connection(socket)).listen(Number(process.argv[2]), '127.0.0.1');

/** One node of the cluster of sockets: a store behind a socket that answers at once, or stands still when told to. */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { RequestDecoder, ReplyWriter, type Request } from '@holdfast/resp';
import { executeData, keyOf } from './fake-data.ts';

/** What keeps a node from answering: its process, its event loop, its network. */
export type Stop = 'suspended' | 'stalled' | 'unreachable';

/** Commands that are on their way when the first one is sent on are answered too. */
const leaveAfterMs = 20;

interface Session {
  readonly: boolean;
  readonly socket: Socket;
  /** Of a transaction; undefined outside. */
  queue?: (readonly string[])[] | undefined;
}

const reads: ReadonlySet<string> = new Set(['get', 'llen', 'lrange', 'xrange']);

function argsOf(request: Request): string[] {
  return Array.from({ length: request.count }, (_, i) => request.utf8(i));
}

export class FakeNode {
  readonly id: string;
  readonly place: string;
  readonly store: Map<string, string> = new Map();
  readonly sockets: Set<Socket> = new Set();
  readonly server: Server;
  /** Reached by clients on its own host. */
  readonly inside: Server;
  role: 'master' | 'slave' = 'slave';
  /** It was replaced and knows it: answers nothing any more and closes. */
  isFenced = false;
  /** Why writes are refused. */
  refusal: string | undefined;
  /** Acknowledges writes without keeping them. */
  forgets = false;
  /** Id of the master in its topology. */
  masterId = '';
  /** Internal address of the master that a replica follows. */
  followed: () => string = () => '';
  /** It gave its role up: whoever is sent on has to leave a moment later. */
  isLeft = false;
  /** Where a replica sends those who ask for data. */
  movedTo = '';
  readonly #stops = new Set<Stop>();
  readonly #insiders = new Set<Socket>();
  readonly #timers = new Set<NodeJS.Timeout>();
  /** Called for each write it executes as a master. */
  onWrite: (key: string, value: string) => void = () => undefined;

  constructor(id: string, place: string) {
    this.id = id;
    this.place = place;
    this.server = createServer((socket) => this.#accept(socket, false));
    this.inside = createServer((socket) => this.#accept(socket, true));
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  is(stop: Stop): boolean {
    return this.#stops.has(stop);
  }

  /** Bytes for it wait in the sockets, as the kernel keeps them. */
  stop(stop: Stop): void {
    this.#stops.add(stop);
    for (const socket of this.sockets) if (this.#isStopped(socket)) socket.pause();
  }

  go(stop: Stop): void {
    this.#stops.delete(stop);
    for (const socket of this.sockets) {
      if (this.#isStopped(socket)) continue;
      if (this.isFenced) socket.destroy();
      else socket.resume();
    }
  }

  /** What it has read already stays unanswered; what it has not read it never will. */
  fence(): void {
    this.isFenced = true;
    for (const socket of this.sockets) if (!this.#isStopped(socket)) socket.destroy();
  }

  closeClients(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.closeClients();
    this.server.close();
    this.inside.close();
  }

  #isStopped(socket: Socket): boolean {
    if (this.#stops.has('suspended') || this.#stops.has('stalled')) return true;
    return this.#stops.has('unreachable') && !this.#insiders.has(socket);
  }

  #accept(socket: Socket, isInside: boolean): void {
    this.sockets.add(socket);
    if (isInside) this.#insiders.add(socket);
    if (this.#isStopped(socket)) socket.pause();
    const decoder = new RequestDecoder();
    const replies = new ReplyWriter();
    const session: Session = { readonly: false, socket };
    socket.on('data', (chunk) => {
      decoder.push(chunk);
      while (decoder.next()) this.#execute(decoder.request, replies, session);
      if (replies.length > 0) socket.write(replies.take());
      if (this.isFenced) socket.destroy();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.sockets.delete(socket);
      this.#insiders.delete(socket);
    });
  }

  #execute(request: Request, replies: ReplyWriter, session: Session): void {
    const key = request.count > 1 ? request.utf8(1) : '';
    if (this.isFenced) return;
    if (request.is(0, 'cluster') && request.is(1, 'slots')) this.#slots(replies);
    else if (request.is(0, 'cluster')) replies.bulkText(this.id);
    else if (request.is(0, 'debug')) this.#sleep(Number(request.utf8(2)) * 1000, session.socket);
    else if (request.is(0, 'hello') || request.is(0, 'config')) replies.ok();
    else if (request.is(0, 'ping')) replies.bulkText(key);
    else if (request.is(0, 'readonly')) {
      session.readonly = true;
      replies.ok();
    } else if (request.is(0, 'role')) {
      const [host = '', port = ''] = this.followed().split(':');
      replies.array(this.role === 'slave' ? 3 : 1);
      replies.bulkText(this.role);
      if (this.role === 'slave') {
        replies.bulkText(host);
        replies.integer(Number(port));
      }
    } else this.#executeData(argsOf(request), replies, session);
  }

  #executeData(args: readonly string[], replies: ReplyWriter, session: Session): void {
    const name = args[0]?.toLowerCase() ?? '';
    const isRead = reads.has(name);
    if (name === 'exec') this.#executeAll(replies, session);
    else if (this.role === 'slave' && !(isRead && session.readonly)) {
      session.queue = undefined;
      this.#sendOn(replies, session.socket);
    } else if (this.refusal !== undefined && !this.forgets && !isRead) {
      session.queue = undefined;
      replies.error(this.refusal);
    } else if (name === 'multi') {
      session.queue = [];
      replies.ok();
    } else if (session.queue !== undefined) {
      session.queue.push(args);
      replies.simple('QUEUED');
    } else this.#run(args, replies);
  }

  #executeAll(replies: ReplyWriter, session: Session): void {
    const { queue } = session;
    session.queue = undefined;
    if (queue === undefined || this.role === 'slave') return replies.error('EXECABORT nothing was executed');
    replies.array(queue.length);
    for (const args of queue) this.#run(args, replies);
  }

  #run(args: readonly string[], replies: ReplyWriter): void {
    const outcome = executeData(args, (key) => this.store.get(key));
    if (outcome === undefined) return replies.error(`ERR unknown command '${args[0]}'`);
    outcome.reply(replies);
    if (outcome.after === undefined || this.refusal !== undefined) return;
    const key = keyOf(args);
    // The order of keys is that of their last writes: what is lost is what was written last.
    this.store.delete(key);
    this.store.set(key, outcome.after);
    this.onWrite(key, outcome.after);
  }

  #sendOn(replies: ReplyWriter, socket: Socket): void {
    replies.error(`MOVED 0 ${this.movedTo}`);
    if (this.isLeft) this.#timers.add(setTimeout(() => socket.end(), leaveAfterMs));
  }

  #slots(replies: ReplyWriter): void {
    replies.array(1);
    replies.array(3);
    replies.integer(0);
    replies.integer(16_383);
    replies.array(3);
    replies.bulkText('127.0.0.1');
    replies.integer(1);
    replies.bulkText(this.masterId);
  }

  #sleep(ms: number, socket: Socket): void {
    this.stop('stalled');
    const wake = (): void => {
      socket.write('+OK\r\n');
      this.go('stalled');
    };
    this.#timers.add(setTimeout(wake, ms));
  }
}

/**
 * One client: bytes in, commands executed in order into the open tick, replies out when the tick is released.
 *
 * The connection owns its socket and nothing else. It stops reading when its replies are not taken, when a command
 * waits (blocking commands, put-off replies), and when the lease has lapsed. What it was asked and what it may answer
 * is decided elsewhere (Execution); it only keeps the order.
 *
 * States: open -> (waiting | held)* -> moving -> lingering -> closed, or detached (the byte stream was handed over).
 * `moving` answers every further command with MOVED to the new master and then closes (planned switchover);
 * `lingering` has sent FIN and throws away what still arrives, so that the peer reads our last reply instead of a reset.
 */
import type { Socket } from 'node:net';
import { ProtocolError, assert, messageOf, type Transport } from '@holdfast/base';
import { endWith, socketTransport } from '@holdfast/base/real';
import type { Deferred, Session } from '@holdfast/commands';
import type { Namespace } from '@holdfast/engine';
import { repliesBytesMax, ReplyWriter, Request, RequestDecoder, type RequestLimits } from '@holdfast/resp';
import type { TickOutput } from '../execution/tick-loop.ts';
import type { ClientMemory } from './client-memory.ts';
import type { ConnectionHost, ConnectionIdentity } from './connection-host.ts';
import { QuietMoment } from './quiet-moment.ts';

type State = 'open' | 'moving' | 'lingering' | 'detached' | 'closed';

/**
 * Unsent bytes above which no further command of this connection is executed, so that a reader that does not read
 * costs this much and one reply.
 */
const softOutputBytes = 1024 * 1024;
/** What one command of a MULTI queue takes beside its own bytes, about. */
const queuedOverheadBytes = 256;
/** How long unread input is drained after FIN before the rest is reset. */
const lingerMs = 1000;
const nothing = Buffer.alloc(0);

export class ClientConnection implements Session, TickOutput {
  readonly id: number;
  readonly peer: string;
  readonly local: string;
  readonly createdAtMs: number;
  readonly reply: ReplyWriter;
  name = '';
  libraryName = '';
  libraryVersion = '';
  namespace: Namespace;
  admin = false;
  readonlyMode = false;
  asking = false;
  noEvict = false;
  replyMode: 'on' | 'off' | 'skip' = 'on';
  /** Bytes of keys this connection watches, with their overhead; kept by WatchedKeys. */
  watchedBytes = 0;
  queueRefused = false;
  subscriptions = 0;
  lastCommand = '';
  lastCommandAtMs: number;

  readonly #socket: Socket;
  readonly #host: ConnectionHost;
  readonly #decoder: RequestDecoder;
  readonly #limits: RequestLimits;
  readonly #memory: ClientMemory;
  readonly #quiet: QuietMoment;
  #queued: Request[] | undefined;
  #queuedBytes = 0;
  #authenticated = false;
  #state: State = 'open';
  #joinedTick = 0;
  /** It read or wrote since everything was released: what it is answered depends on data. */
  #bound = false;
  #waiting: Deferred | undefined;
  /** A decoded request that may not run now. */
  #held: Request | undefined;
  #executedAny = false;
  #closeAfterReply = false;
  #pumping = false;
  #peerEnded = false;
  #executing = false;
  #moveNext = false;
  /** Asked to move while answers of its are still on their way. */
  #movesWhenReleased = false;
  /** Nothing is read or executed until the peer has read its replies. */
  #stalled = false;
  #unreleased = 0;
  #unreleasedBytes = 0;

  constructor(socket: Socket, host: ConnectionHost, identity: ConnectionIdentity) {
    this.#socket = socket;
    this.#host = host;
    this.id = identity.id;
    this.namespace = identity.namespace;
    this.#memory = identity.memory;
    this.#quiet = new QuietMoment(host.timers);
    this.reply = new ReplyWriter(undefined, Math.min(repliesBytesMax, identity.memory.replyBytesMax ?? Infinity));
    this.peer = address(socket.remoteAddress, socket.remotePort);
    this.local = address(socket.localAddress, socket.localPort);
    this.createdAtMs = host.clock.wallMs();
    this.lastCommandAtMs = this.createdAtMs;
    this.#limits = host.requestLimits();
    this.#decoder = new RequestDecoder(this.#limits);
    socket.setNoDelay(true);
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('drain', this.#onDrain);
    socket.on('error', ignore);
    socket.on('close', this.#onClose);
  }

  get protocol(): 2 | 3 {
    return this.reply.protocol;
  }

  set protocol(version: 2 | 3) {
    this.reply.protocol = version;
  }

  get authenticated(): boolean {
    return this.#authenticated;
  }

  set authenticated(value: boolean) {
    this.#authenticated = value;
    this.#limits.unauthenticated = !value;
  }

  /** The connection has executed nothing yet. */
  get fresh(): boolean {
    return !this.#executedAny;
  }

  get unbound(): boolean {
    return !this.#bound;
  }

  /** The command about to run reads or writes. */
  bind(): void {
    this.#bound = true;
  }

  /** A request waits for the lease. */
  get held(): boolean {
    return this.#held !== undefined;
  }

  get state(): State {
    return this.#state;
  }

  /** Bytes received and not executed yet. */
  get inputBytes(): number {
    return this.#decoder.bufferedBytes;
  }

  get outputBytes(): number {
    return this.#socket.writableLength + this.reply.length + this.#unreleasedBytes;
  }

  /** Bytes held for this client, whatever for. */
  get memoryBytes(): number {
    const names = this.name.length + this.libraryName.length + this.libraryVersion.length;
    return this.#decoder.memoryBytes + this.outputBytes + this.#queuedBytes + this.watchedBytes + names;
  }

  get queued(): Request[] | undefined {
    return this.#queued;
  }

  set queued(requests: Request[] | undefined) {
    this.#queued = requests;
    this.#queuedBytes = 0;
  }

  /** Keeps a request for EXEC. */
  enqueue(request: Request): void {
    const own = request.copy();
    this.#queued?.push(own);
    this.#queuedBytes += own.buffer.length + own.bounds.byteLength + queuedOverheadBytes;
  }

  get blocked(): boolean {
    return this.#waiting !== undefined;
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#state === 'lingering' || this.#state === 'closed') return;
    this.#host.countInput(chunk.length);
    this.#decoder.push(chunk);
    this.pump();
    this.#memory.grew(chunk.length);
  };

  readonly #onEnd = (): void => {
    this.#peerEnded = true;
    if (this.#state === 'open' && (this.#unreleased > 0 || this.#hasMore())) return;
    this.#socket.end();
  };

  /** Something that has arrived is still to be executed or answered. */
  #hasMore(): boolean {
    return this.#waiting !== undefined || this.held || (this.#stalled && this.#decoder.bufferedBytes > 0);
  }

  readonly #onDrain = (): void => this.pump();

  readonly #onClose = (): void => {
    if (this.#state === 'detached') return;
    this.#state = 'closed';
    this.#host.closed(this);
  };

  /** Executes what has arrived, as far as the tick, the lease and the connection's own output allow. */
  pump(): void {
    if (this.#pumping || this.held) return;
    this.#pumping = true;
    try {
      while (this.#mayExecute() && this.#step());
    } finally {
      this.#pumping = false;
    }
    if (this.#decoder.bufferedBytes === 0 && !this.held && this.#waiting === undefined) this.#decoder.release();
    this.#applyBackPressure();
  }

  #mayExecute(): boolean {
    return (
      (this.#state === 'open' || this.#state === 'moving') &&
      this.#waiting === undefined &&
      !this.#closeAfterReply &&
      this.outputBytes < softOutputBytes &&
      this.#decoder.bufferedBytes > 0
    );
  }

  /** One request; false when there is nothing more to do now. */
  #step(): boolean {
    if (!this.#decode()) return false;
    return this.#state === 'moving' ? this.#move(this.#decoder.request) : this.#run(this.#decoder.request);
  }

  #run(request: Request): boolean {
    const { loop } = this.#host;
    const owesReplies = this.#unreleased > 0;
    loop.open();
    this.#join();
    const mark = this.reply.mark();
    const { replyMode } = this;
    this.#executing = true;
    const executed = this.#host.execute(this, request);
    this.#executing = false;
    if (!executed) {
      this.#held = request;
      return false;
    }
    if (this.#moveNext) return this.#moveInstead(request, owesReplies);
    this.#executedAny = true;
    if (replyMode !== 'on') this.#silence(replyMode, mark);
    const written = this.reply.length - mark;
    if (written >= softOutputBytes) this.#memory.grew(written);
    loop.endIfLarge();
    return this.#state === 'open';
  }

  /**
   * Admission found that the client has to move: the request was not executed and is answered as any that follows, after
   * what it is owed for earlier ones.
   */
  #moveInstead(request: Request, owesReplies: boolean): boolean {
    this.#moveNext = false;
    if (owesReplies) {
      this.#held = request;
      this.#movesWhenReleased = true;
      return false;
    }
    this.#state = 'moving';
    return this.#move(request);
  }

  /** CLIENT REPLY OFF or SKIP was in force when the command began. */
  #silence(before: 'off' | 'skip', mark: number): void {
    if (this.replyMode === 'on') return; // CLIENT REPLY ON answers for itself
    this.reply.truncate(mark);
    if (before === 'skip' && this.replyMode === 'skip') this.replyMode = 'on';
  }

  /**
   * What the peer has sent or is about to send is answered too: the answers wait, and with them whoever sent the commands,
   * until a moment brought nothing more. Then they leave together with the end, which nothing crosses any more.
   */
  #move(request: Request): boolean {
    this.#host.redirect(this, request);
    this.#quiet.stir(this.#host.redirectPauseMs(), () => this.endMoving());
    return this.#state === 'moving';
  }

  #decode(): boolean {
    try {
      return this.#decoder.next();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      if (this.#state === 'open') {
        this.#host.loop.open();
        this.#join();
      }
      this.reply.error(messageOf(error));
      if (this.#state === 'moving') this.#finishMoving();
      else this.closeAfterReply();
      return false;
    }
  }

  #join(): void {
    const { loop } = this.#host;
    if (this.#joinedTick === loop.number) return;
    this.#joinedTick = loop.number;
    this.#unreleased++;
    loop.join(this);
  }

  #applyBackPressure(): void {
    this.#stalled = this.outputBytes >= softOutputBytes;
    const full = this.#stalled || this.#waiting !== undefined || this.held || this.#closeAfterReply;
    if (full && this.#state === 'open') this.#socket.pause();
    else if (this.#socket.isPaused()) this.#socket.resume();
  }

  /** Ends the open tick, so that the command about to run is alone in its own. */
  runAlone(): void {
    const { loop } = this.#host;
    loop.end();
    loop.open();
    this.#join();
  }

  /** Admission is possible again after it was refused. */
  resume(): void {
    const request = this.#held;
    if (request === undefined) return;
    this.#held = undefined;
    this.#pumping = true;
    let goesOn = false;
    try {
      goesOn = this.#run(request);
    } finally {
      this.#pumping = false;
    }
    if (goesOn) this.pump();
    else this.#applyBackPressure();
  }

  takeReplies(): Buffer {
    // A tick it joined before it had to move has no part in the answers that tell it so.
    if (this.#state === 'moving') return nothing;
    const bytes = this.reply.take();
    this.#unreleasedBytes += bytes.length;
    this.#memory.grew(bytes.length);
    return bytes;
  }

  release(bytes: Buffer): void {
    this.#unreleased--;
    if (this.#unreleased === 0) this.#bound = false;
    this.#unreleasedBytes -= bytes.length;
    if (this.#state === 'closed' || this.#state === 'lingering') return;
    if (bytes.length > 0) {
      this.#host.countOutput(bytes.length);
      this.#socket.write(bytes);
    }
    if (this.#state === 'detached' || this.#unreleased > 0) return;
    if (this.#movesWhenReleased) this.startMoving();
    else if (this.#closeAfterReply || (this.#peerEnded && !this.#hasMore())) this.#linger();
    // 'drain' comes only when the socket kept some of it.
    else if (this.#stalled && this.outputBytes < softOutputBytes) this.#host.timers.soon(() => this.pump());
  }

  /** What it asked for has an unknown outcome: it ends without a reply. */
  abandon(): void {
    // One that moves is owed nothing of what is unknown: what it asked since was not executed.
    if (this.#state === 'moving') this.#unreleased = 0;
    else this.destroy();
  }

  /** Closes at once; with RST when the peer still sends. Nothing more of it is executed. */
  destroy(): void {
    if (this.#state !== 'detached') this.#state = 'closed';
    this.#socket.destroy();
  }

  closeAfterReply(): void {
    this.#closeAfterReply = true;
    if (this.#unreleased === 0 && this.#waiting === undefined && this.#state === 'open') this.#linger();
  }

  /** FIN now, unread input drained for a while, reset only for what is left. */
  #linger(): void {
    if (this.#state === 'closed' || this.#state === 'lingering' || this.#state === 'detached') return;
    this.#state = 'lingering';
    this.#socket.end();
    this.#socket.resume();
    const timer = this.#host.timers.after(lingerMs, () => this.#socket.destroy());
    this.#socket.once('close', () => timer.cancel());
  }

  /**
   * A planned switchover has moved the master: held and further commands, none of which was executed, are answered
   * with MOVED and the connection ends. An idle connection is kept until its first command or until it is cut.
   */
  startMoving(): void {
    if (this.#state !== 'open') return;
    if (this.#executing) {
      this.#moveNext = true;
      return;
    }
    if (this.#waiting !== undefined || this.queued !== undefined) {
      this.destroy();
      return;
    }
    // They are released, or they are dropped and the connection with them.
    this.#movesWhenReleased = this.#unreleased > 0;
    if (this.#movesWhenReleased) return;
    this.#state = 'moving';
    this.#host.timers.after(lingerMs, () => this.endMoving());
    const request = this.#held;
    this.#held = undefined;
    if (request === undefined || this.#move(request)) this.pump();
  }

  /** Ends a moving connection after what was answered so far. */
  endMoving(): void {
    if (this.#state === 'moving') this.#finishMoving();
  }

  #finishMoving(): void {
    // What comes back between the answers and the end would not be answered.
    endWith(this.#socket, this.reply.take());
    this.#linger();
  }

  /** Ends a client at a role change: after what may still be sent, without executing anything more. */
  closeGracefully(): void {
    // A moving one ends by itself, after its answers.
    if (this.#state === 'moving') return;
    if (this.#waiting !== undefined || this.#unreleased > 0) this.destroy();
    else this.#linger();
  }

  defer(): Deferred {
    assert(this.#waiting === undefined, 'a connection waits for one reply at a time');
    let settled = false;
    const isBound = this.#bound;
    const deferred: Deferred = {
      get settled(): boolean {
        return settled;
      },
      complete: (write): void => {
        if (settled) return;
        settled = true;
        this.#waiting = undefined;
        if (this.#state !== 'open') return;
        this.#host.loop.open();
        this.#join();
        if (isBound) this.#bound = true;
        const mark = this.reply.mark();
        write(this.reply);
        if (this.replyMode !== 'on') this.reply.truncate(mark);
        this.#host.timers.soon(() => this.pump());
      },
      abandon: (): void => {
        settled = true;
        this.destroy();
      },
    };
    this.#socket.once('close', () => (settled = true));
    this.#waiting = deferred;
    return deferred;
  }

  detach(): Transport {
    assert(this.#state === 'open', 'only an open connection can be handed over');
    const first = this.reply.take();
    if (first.length > 0) this.#socket.write(first);
    const rest = this.#decoder.takeRemaining();
    this.#state = 'detached';
    this.#socket.off('data', this.#onData).off('end', this.#onEnd).off('drain', this.#onDrain);
    this.#host.closed(this);
    if (rest.length > 0) this.#socket.unshift(rest);
    return socketTransport(this.#socket);
  }
}

function ignore(): void {
  // 'close' follows every 'error' and does the work.
}

function address(host: string | undefined, port: number | undefined): string {
  const shown = host?.startsWith('::ffff:') ? host.slice(7) : (host ?? '?');
  return shown.includes(':') ? `[${shown}]:${port ?? 0}` : `${shown}:${port ?? 0}`;
}

/**
 * One client: bytes in, commands executed in order into the open tick, replies out when the tick is released.
 *
 * The connection owns its socket, its input (request-input.ts), its output (connection-output.ts) and what occupies it
 * (occupation.ts). What it was asked and what it may answer is decided elsewhere (Execution); it only keeps the order.
 *
 * States: open -> (occupied | held)* -> moving -> lingering -> closed, or detached (the byte stream was handed over).
 * `moving` answers every further command with MOVED to the new master and then closes (planned switchover);
 * `lingering` has sent FIN and throws away what still arrives, so that the peer reads our last reply instead of a reset.
 */
import { assert, type ClientTransport, type Timer, type Transport } from '@holdfast/base';
import type { Deferred, HarmlessWait, Session } from '@holdfast/commands';
import type { Namespace } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import type { ClientMemory } from './client-memory.ts';
import { CommandQueue } from './command-queue.ts';
import type { ConnectionHost, ConnectionIdentity } from './connection-host.ts';
import { ConnectionOutput, type OutputOwner } from './connection-output.ts';
import { DeferredReply } from './deferred-reply.ts';
import { Occupancy, type OccupancyOwner } from './occupancy.ts';
import { QuietMoment } from './quiet-moment.ts';
import { RequestInput, type InputOwner } from './request-input.ts';

type State = 'open' | 'moving' | 'lingering' | 'detached' | 'closed';

/** How long unread input is drained after FIN before the rest is reset. */
const lingerMs = 1000;

export class ClientConnection implements Session, InputOwner, OutputOwner, OccupancyOwner {
  readonly id: number;
  readonly peer: string;
  readonly local: string;
  readonly createdAtMs: number;
  readonly reply: ReplyWriter;
  readonly occupancy: Occupancy;
  readonly input: RequestInput;
  name = '';
  libraryName = '';
  libraryVersion = '';
  namespace: Namespace;
  admin = false;
  readonlyMode = false;
  asking = false;
  /** ASKING preceded the running command. */
  askedBefore = false;
  /** The request that is held is held by CLIENT PAUSE. */
  paused = false;
  noEvict = false;
  /** MONITOR was sent. */
  monitoring = false;
  replyMode: 'on' | 'off' | 'skip' = 'on';
  /** Bytes of keys this connection watches, with their overhead; kept by WatchedKeys. */
  watchedBytes = 0;
  queueRefused = false;
  /** The queue of EXEC that is being run: it takes what its commands put off. */
  queue: { defer(connection: ClientConnection): Deferred } | undefined = undefined;
  subscriptions = 0;
  /** Bytes of its subscriptions' names, with their overhead; kept by Subscriptions. */
  subscriptionBytes = 0;
  lastCommand = '';
  /** A number from the beginning: V8 changes it in place then, and makes no new one for each command. */
  lastCommandAtMs = 0;

  readonly #transport: ClientTransport;
  readonly #host: ConnectionHost;
  readonly #memory: ClientMemory;
  readonly #quiet: QuietMoment;
  readonly #queue = new CommandQueue();
  readonly #output: ConnectionOutput;
  #authenticated = false;
  #state: State = 'open';
  #executedAny = false;
  #closeAfterReply = false;
  #peerEnded = false;
  #executing = false;
  #moveNext = false;
  /** Asked to move while answers of its are still on their way. */
  #movesWhenReleased = false;
  /** Ends the lingering. */
  #lingering: Timer | undefined;

  constructor(transport: ClientTransport, host: ConnectionHost, identity: ConnectionIdentity) {
    this.#transport = transport;
    this.#host = host;
    this.id = identity.id;
    this.namespace = identity.namespace;
    this.#memory = identity.memory;
    this.#quiet = new QuietMoment(host.timers);
    this.#output = new ConnectionOutput(transport, host, identity.memory, this);
    this.reply = this.#output.reply;
    this.occupancy = new Occupancy(this.#output, this);
    this.peer = identity.ends.peer;
    this.local = identity.ends.local;
    this.createdAtMs = host.clock.wallMs();
    this.lastCommandAtMs = this.createdAtMs;
    this.input = new RequestInput(transport, host.requestLimits(), this);
    transport.listen({
      onData: (chunk) => this.#onData(chunk),
      onEnd: () => this.#onEnd(),
      onDrain: () => this.pump(),
      onClose: () => this.#onClose(),
    });
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
    this.input.unauthenticated = !value;
  }

  /** The connection has executed nothing yet. */
  get fresh(): boolean {
    return !this.#executedAny;
  }

  /** The command about to run reads or writes. */
  bind(): void {
    this.#output.bind();
  }

  /** A request, or what is left of a transaction, waits for the lease. */
  get held(): boolean {
    return this.input.held || this.occupancy.isHeld;
  }

  get state(): State {
    return this.#state;
  }

  /** Bytes received and not executed yet. */
  get inputBytes(): number {
    return this.input.bufferedBytes;
  }

  get outputBytes(): number {
    return this.#output.bytes;
  }

  /** Bytes held for this client, whatever for. */
  get memoryBytes(): number {
    const names = this.name.length + this.libraryName.length + this.libraryVersion.length;
    const kept = this.#queue.bytes + this.watchedBytes + this.subscriptionBytes + this.occupancy.bytes + names;
    return this.input.memoryBytes + this.outputBytes + kept;
  }

  get queued(): Request[] | undefined {
    return this.#queue.requests;
  }

  set queued(requests: Request[] | undefined) {
    this.#queue.requests = requests;
  }

  /** Keeps a request for EXEC. */
  enqueue(request: Request): void {
    this.#queue.add(request);
  }

  /** It waits for what others do, or for the end of CLIENT PAUSE. */
  get blocked(): boolean {
    return this.occupancy.isWait || (this.held && this.paused);
  }

  /** The command it ran last is not at its end. */
  get occupied(): boolean {
    return this.occupancy.current !== undefined;
  }

  get hasRoom(): boolean {
    return this.#output.hasRoom;
  }

  get isSilent(): boolean {
    return this.replyMode !== 'on';
  }

  #onData(chunk: Buffer): void {
    if (this.#state === 'lingering' || this.#state === 'closed') return;
    this.#host.countInput(chunk.length);
    this.input.push(chunk);
    this.#memory.grew(chunk.length);
  }

  #onEnd(): void {
    this.#peerEnded = true;
    if (this.occupancy.isWait) {
      // Nobody is there to wait any more; what was sent behind it is dropped as well.
      this.occupancy.leave();
      this.closeAfterReply();
      return;
    }
    if (this.#state === 'open' && (this.#output.owes || this.#hasMore())) return;
    this.#transport.end();
  }

  /** Something that has arrived is still to be executed or answered. */
  #hasMore(): boolean {
    return this.occupied || this.input.hasMore;
  }

  #onClose(): void {
    this.#lingering?.cancel();
    if (this.#state === 'detached') return;
    this.#state = 'closed';
    this.occupancy.leave();
    this.#host.closed(this);
  }

  /** Executes what has arrived, and goes on with the reply that is being written, as far as the peer takes them. */
  pump(): void {
    this.occupancy.current?.onRoom?.();
    this.input.pump();
  }

  get isReady(): boolean {
    return (this.isOpen || this.isMoving) && !this.occupied && !this.#closeAfterReply && this.hasRoom;
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  get isEnding(): boolean {
    return this.#closeAfterReply;
  }

  requestsBegin(): void {
    this.#host.requestsBegin(this);
  }

  take(request: Request): boolean {
    return this.isMoving ? this.#move(request) : this.#run(request);
  }

  refuse(message: string): void {
    if (this.isOpen) this.#output.join();
    this.reply.error(message);
    if (this.isMoving) this.#finishMoving();
    else this.closeAfterReply();
  }

  #run(request: Request): boolean {
    const { loop } = this.#host;
    if (loop.isPinned) return this.#runApart(request);
    const owesReplies = this.#output.owes;
    this.#output.join();
    const mark = this.reply.mark();
    const { replyMode } = this;
    this.#executing = true;
    const executed = this.#host.execute(this, request);
    this.#executing = false;
    if (!executed) {
      this.input.hold(request);
      return false;
    }
    if (this.#moveNext) return this.#moveInstead(request, owesReplies);
    this.#executedAny = true;
    if (replyMode !== 'on') this.#silence(replyMode, mark);
    this.#output.flushPushed();
    const grown = this.reply.length - mark + this.occupancy.bytes;
    if (this.#output.isLarge(grown)) this.#memory.grew(grown);
    loop.endIfLarge();
    return this.#state === 'open';
  }

  /** A script holds the tick: the command is held, refused or, if it concerns the script, run outside of the tick. */
  #runApart(request: Request): boolean {
    this.#executing = true;
    const isAnswered = this.#host.executePinned(this, request);
    this.#executing = false;
    if (!isAnswered) {
      this.input.hold(request);
      return false;
    }
    // Otherwise it follows what the tick still owes.
    if (!this.#output.owes) this.#output.send(this.reply.take());
    if (this.#closeAfterReply && !this.#output.owes) this.#linger();
    return this.#state === 'open';
  }

  /**
   * Admission found that the client has to move: the request was not executed and is answered as any that follows, after
   * what it is owed for earlier ones.
   */
  #moveInstead(request: Request, owesReplies: boolean): boolean {
    this.#moveNext = false;
    if (owesReplies) {
      this.input.hold(request);
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
    return this.isMoving;
  }

  /** Ends the open tick, so that the command about to run is alone in its own. */
  runAlone(): void {
    const { loop } = this.#host;
    loop.end();
    this.#output.join();
  }

  /** Admission is possible again after it was refused. */
  resume(): void {
    if (!this.isOpen) return;
    this.paused = false;
    this.occupancy.current?.askAgain?.();
    this.input.resume();
  }

  get isMoving(): boolean {
    return this.#state === 'moving';
  }

  get isSendable(): boolean {
    return this.#state !== 'closed' && this.#state !== 'lingering';
  }

  get isMidReply(): boolean {
    return this.#executing || this.occupancy.isReply;
  }

  released(): void {
    if (this.#state === 'detached' || this.#output.owes) return;
    if (this.#movesWhenReleased) this.startMoving();
    else if (this.#closeAfterReply || (this.#peerEnded && !this.#hasMore())) this.#linger();
    // 'drain' comes only when the socket kept some of it.
    else if (this.input.stalled && this.hasRoom) this.goOn();
  }

  /** What it asked for has an unknown outcome: it ends without a reply. */
  outcomeUnknown(): void {
    // One that moves is owed nothing of what is unknown: what it asked since was not executed.
    if (this.isMoving) this.#output.forgetOwed();
    else this.destroy();
  }

  /** Closes at once; with RST when the peer still sends. Nothing more of it is executed. */
  destroy(): void {
    if (this.#state !== 'detached') this.#state = 'closed';
    this.occupancy.leave();
    this.#transport.destroy();
  }

  closeAfterReply(): void {
    this.#closeAfterReply = true;
    if (!this.#output.owes && !this.occupied && this.#state === 'open') this.#linger();
  }

  /** FIN now, unread input drained for a while, reset only for what is left. */
  #linger(): void {
    if (this.#state === 'closed' || this.#state === 'lingering' || this.#state === 'detached') return;
    this.#state = 'lingering';
    this.occupancy.leave();
    this.#transport.end();
    this.#transport.resume();
    this.#lingering = this.#host.timers.after(lingerMs, () => this.#transport.destroy());
  }

  /**
   * A planned switchover has moved the master: held and further commands, none of which was executed, are answered
   * with MOVED and the connection ends. An idle connection is kept until its first command or until it is cut.
   */
  startMoving(): void {
    if (!this.isOpen) return;
    if (this.#executing) {
      this.#moveNext = true;
      return;
    }
    const occupation = this.occupancy.current;
    if (occupation !== undefined && !occupation.isWait && !occupation.isReply) {
      this.destroy();
      return;
    }
    // They are released, or they are dropped and the connection with them. A reply that has begun is written to its end.
    this.#movesWhenReleased = this.#output.owes || occupation?.isReply === true;
    if (occupation?.isReply === true)
      this.#host.timers.after(lingerMs, () => this.occupancy.is(occupation) && this.destroy());
    if (this.#movesWhenReleased) return;
    if (occupation !== undefined || this.subscriptions > 0) {
      this.closeGracefully();
      return;
    }
    this.#state = 'moving';
    this.#host.timers.after(lingerMs, () => this.endMoving());
    const request = this.input.takeHeld();
    if (request === undefined || this.#move(request)) this.pump();
  }

  /** Ends a moving connection after what was answered so far. */
  endMoving(): void {
    if (this.isMoving) this.#finishMoving();
  }

  #finishMoving(): void {
    // What comes back between the answers and the end would not be answered.
    this.#transport.endWith(this.reply.take());
    this.#linger();
  }

  /**
   * Ends a client at a role change: after what may still be sent, without executing anything more. Who waits is told so,
   * since nothing of its command was executed.
   */
  closeGracefully(): void {
    // A moving one ends by itself, after its answers.
    if (this.isMoving) return;
    if (this.occupancy.isWait) this.#endWait();
    else if (this.occupied || this.#output.owes) this.destroy();
    else this.#linger();
  }

  /** A role change ends it if it waits; otherwise it goes on. */
  endWaiting(): void {
    if (this.occupancy.isWait) this.#endWait();
  }

  #endWait(): void {
    const { owes } = this.#output;
    if (owes) this.#output.join();
    this.occupancy.endWait(this.reply);
    if (owes) this.closeAfterReply();
    else this.#finishMoving();
  }

  wroteLate(): void {
    this.input.applyBackPressure();
  }

  goOn(): void {
    this.#host.timers.soon(() => this.pump());
  }

  /**
   * Sends RESP bytes that nobody asked for (a published message) with the open tick, in order and never within a reply. A
   * client that does not read what it gets is cut.
   */
  push(bytes: Uint8Array): void {
    if (!this.isOpen) return;
    this.#output.push(bytes);
    this.checkOutput();
  }

  /** Cuts a client that has more unsent output than its kind may have. To be called now and then. */
  checkOutput(): void {
    this.#output.check(this.subscriptions > 0 || this.monitoring ? 'pubsub' : 'normal');
  }

  readsTooSlowly(bytes: number): void {
    this.#host.cutSlowReader(this, bytes);
  }

  defer(wait?: HarmlessWait): Deferred {
    if (this.queue !== undefined) return this.queue.defer(this);
    const deferred = new DeferredReply(this, !this.#output.unbound, wait);
    this.occupancy.begin(deferred);
    return deferred;
  }

  detach(): Transport {
    assert(this.#state === 'open', 'only an open connection can be handed over');
    const first = this.reply.take();
    if (first.length > 0) this.#transport.write(first);
    const rest = this.input.takeRemaining();
    this.#state = 'detached';
    this.#host.closed(this);
    return this.#transport.handOver(rest);
  }
}

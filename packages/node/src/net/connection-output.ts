/**
 * What a connection owes its peer: replies written into the open tick, those that wait for their tick's release, what the
 * socket has not sent, and messages that nobody asked for (pub/sub), which must not come within a reply.
 *
 * It is what the tick loop knows of a connection. Everything leaves in the order of the ticks.
 */
import type { ClientTransport } from '@holdfast/base';
import { giveBack, repliesBytesMax, ReplyWriter, smallestRoomBytes } from '@holdfast/resp';
import type { TickOutput } from '../execution/tick-loop.ts';
import type { ClientMemory } from './client-memory.ts';
import type { ClientKind, ConnectionHost } from './connection-host.ts';
import { OutputWatch } from './output-limit.ts';

/**
 * Unsent bytes above which no further command of this connection is executed, so that a reader that does not read
 * costs this much and one reply.
 */
const softOutputBytes = 1024 * 1024;
const nothing = Buffer.alloc(0);

/** The connection behind it. */
export interface OutputOwner {
  /** It answers outside of ticks: every command is sent on to the new master. */
  readonly isMoving: boolean;
  /** Bytes may be sent. */
  readonly isSendable: boolean;
  /** A part of a reply is written, or a command runs. */
  readonly isMidReply: boolean;
  /** A tick of its was released. */
  released(): void;
  /** What it asked for has an unknown outcome. */
  outcomeUnknown(): void;
  /** It does not read what it is sent. */
  readsTooSlowly(bytes: number): void;
}

export class ConnectionOutput implements TickOutput {
  readonly reply: ReplyWriter;
  readonly #transport: ClientTransport;
  readonly #host: ConnectionHost;
  readonly #memory: ClientMemory;
  readonly #owner: OutputOwner;
  readonly #watch = new OutputWatch();
  /** Messages that came while a reply was being written; they follow it. */
  #pushed: Uint8Array[] = [];
  #pushedBytes = 0;
  #joinedTick = 0;
  /** It read or wrote since everything was released: what it is answered depends on data. */
  #bound = false;
  #unreleased = 0;
  #unreleasedBytes = 0;

  constructor(transport: ClientTransport, host: ConnectionHost, memory: ClientMemory, owner: OutputOwner) {
    this.#transport = transport;
    this.#host = host;
    this.#memory = memory;
    this.#owner = owner;
    this.reply = new ReplyWriter(undefined, Math.min(repliesBytesMax, memory.replyBytesMax ?? Infinity));
  }

  get unbound(): boolean {
    return !this.#bound;
  }

  /** What is answered next depends on data. */
  bind(): void {
    this.#bound = true;
  }

  /** Bytes that the peer has not been sent. */
  get bytes(): number {
    return this.#transport.pendingBytes + this.reply.length + this.#unreleasedBytes + this.#pushedBytes;
  }

  /** The peer takes what it is sent: more may be executed for it. */
  get hasRoom(): boolean {
    // What waits for the end of a reply must not keep that reply from ending.
    return this.bytes - this.#pushedBytes < softOutputBytes;
  }

  /** So much was written at once that it is to be looked at. */
  isLarge(bytes: number): boolean {
    return bytes >= softOutputBytes;
  }

  /** Replies of its are in a tick that is not released. */
  get owes(): boolean {
    return this.#unreleased > 0;
  }

  /** What is owed will never be sent. */
  forgetOwed(): void {
    this.#unreleased = 0;
  }

  /** Takes part in the open tick. */
  join(): void {
    const { loop } = this.#host;
    loop.open();
    if (this.#joinedTick === loop.number) return;
    this.#joinedTick = loop.number;
    this.#unreleased++;
    loop.join(this);
  }

  takeReplies(): Buffer {
    // A tick it joined before it had to move has no part in the answers that tell it so.
    if (this.#owner.isMoving) return nothing;
    const bytes = this.reply.take();
    this.#unreleasedBytes += bytes.length;
    this.#memory.grew(bytes.length);
    return bytes;
  }

  release(bytes: Buffer): void {
    this.#unreleased--;
    if (this.#unreleased === 0) this.#bound = false;
    this.#unreleasedBytes -= bytes.length;
    if (!this.#owner.isSendable) return;
    this.send(bytes);
    if (bytes.length >= smallestRoomBytes / 2 && this.#transport.borrowedBytes === 0) giveBack(bytes);
    this.#owner.released();
  }

  abandon(): void {
    this.#owner.outcomeUnknown();
  }

  /** Sends at once. */
  send(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#host.countOutput(bytes.length);
    this.#transport.write(bytes);
  }

  /** Sends with the open tick, after the reply that is being written, if there is one. */
  push(bytes: Uint8Array): void {
    this.#pushed.push(bytes);
    this.#pushedBytes += bytes.length;
    if (!this.#owner.isMidReply) this.flushPushed();
  }

  /** A reply has ended: what came meanwhile follows it. */
  flushPushed(): void {
    if (this.#pushed.length === 0) return;
    const pushed = this.#pushed;
    this.#pushed = [];
    this.#pushedBytes = 0;
    this.join();
    // A message tells of a write: it leaves when a reply about that could.
    this.#bound = true;
    try {
      for (const bytes of pushed) this.reply.raw(bytes);
    } catch {
      // More than any reply may take is a limit too.
      this.#owner.readsTooSlowly(this.bytes);
    }
  }

  /** Cuts a client whose unsent output exceeds what its kind may have. */
  check(kind: ClientKind): void {
    const { bytes } = this;
    if (this.#watch.exceeds(bytes, this.#host.outputLimit(kind), this.#host.clock.leaseMs()))
      this.#owner.readsTooSlowly(bytes);
  }
}

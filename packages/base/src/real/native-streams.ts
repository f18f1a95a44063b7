/**
 * Clients' byte streams without Node's stream machinery: sockets that Node accepted are taken over by the addon
 * (../../native/streams.cc), which receives for all of them at once and sends for all of them at once.
 *
 * Why: a request over `node:net` costs, beside the kernel's share, a 64 KiB buffer that is allocated, cut and freed, two
 * request objects, and a good part of Readable and Writable; at one request per round trip that is more than executing it
 * (docs/decisions/0012-native-transport.md).
 *
 * Reading: all that arrived in a turn of the event loop is delivered stream by stream in the check phase of that turn,
 * ahead of its immediates. A chunk is copied out of the arena, so that it belongs to its receiver.
 *
 * Writing: what is written while one callback of Node runs is gathered and leaves in one native call behind it (a microtask).
 * What the kernel does not take is kept here, and sent on when the addon says that it takes more.
 */
import { Buffer } from 'node:buffer';
import { Socket } from 'node:net';
import { assert } from '../assert.ts';
import { formatEndpoint, type ClientTransport, type Transport, type TransportEvents } from '../transport.ts';
import { addon } from './addon.ts';
import { fdOf, socketTransport } from './tcp.ts';

/** Low bits of an id: its index. */
const indexMask = 0xfffff;
/** Second words of events that are no offsets; as in streams.cc. */
const ended = -1;
const writable = -2;
const failed = -3;

/** What one native call may send. */
const gatherBytes = 256 * 1024;
const gatherEntries = 4096;
/** More than this is not copied together with others. */
const aloneBytes = 32 * 1024;

const nothing = Buffer.alloc(0);

/** The streams of this thread. Made when the first socket is adopted. */
class NativeStreams {
  readonly #events: Int32Array;
  readonly #arena: Buffer;
  readonly #streams: (NativeStream | undefined)[] = [];
  /** Events that are being delivered: the one at `#at` is, those up to `#count` will be. */
  #at = 0;
  #count = 0;

  /** What is sent next: triples of id, offset in `#gathered` and length. */
  readonly #table = new Int32Array(3 * gatherEntries);
  readonly #gathered = Buffer.allocUnsafeSlow(gatherBytes);
  readonly #single = new Int32Array(3);
  #entries = 0;
  #bytes = 0;
  #scheduled = false;
  /** Number of the gathering; a stream compares it to know whether it takes part. */
  gathering = 1;
  readonly #flush = (): void => {
    this.#scheduled = false;
    this.flush();
  };

  constructor() {
    const { events, arena } = addon.startStreams((count) => this.#deliver(count));
    this.#events = new Int32Array(events);
    this.#arena = Buffer.from(arena);
    // What was written last is not lost when the process ends in the same callback.
    process.once('exit', () => this.flush());
  }

  add(stream: NativeStream): void {
    this.#streams[stream.id & indexMask] = stream;
  }

  remove(stream: NativeStream): void {
    this.#streams[stream.id & indexMask] = undefined;
  }

  #find(id: number): NativeStream | undefined {
    const stream = this.#streams[id & indexMask];
    return stream?.id === id ? stream : undefined;
  }

  #deliver(count: number): void {
    const events = this.#events;
    this.#count = count;
    for (this.#at = 0; this.#at < this.#count; this.#at++) {
      const at = 3 * this.#at;
      const stream = this.#find(events[at] as number);
      if (stream === undefined) continue;
      const what = events[at + 1] as number;
      const value = events[at + 2] as number;
      if (what >= 0) stream.received(this.#chunk(what, value));
      else if (what === ended) stream.peerEnded();
      else if (what === writable) stream.takesMore();
      else if (what === failed) stream.failed(value);
    }
    this.#count = 0;
  }

  /** A copy of part of the arena; small ones come from Node's pool. */
  #chunk(offset: number, length: number): Buffer {
    const chunk = Buffer.allocUnsafe(length);
    this.#arena.copy(chunk, 0, offset, offset + length);
    return chunk;
  }

  /** Bytes of a stream that were received and will be delivered in this turn. */
  takeUndelivered(id: number): Buffer[] {
    const chunks: Buffer[] = [];
    for (let i = this.#at + 1; i < this.#count; i++) {
      const what = this.#events[3 * i + 1] as number;
      if (this.#events[3 * i] === id && what >= 0) chunks.push(this.#chunk(what, this.#events[3 * i + 2] as number));
    }
    return chunks;
  }

  /** Makes room for `bytes` more. What was gathered may leave. */
  reserve(bytes: number): void {
    if (this.#bytes + bytes > gatherBytes || this.#entries === gatherEntries) this.flush();
  }

  /** Sends `bytes`, for which there is room, with what others send. */
  gather({ id }: NativeStream, bytes: Uint8Array): void {
    const { length } = bytes;
    const last = 3 * this.#entries - 3;
    if (last >= 0 && this.#table[last] === id) this.#table[last + 2] = (this.#table[last + 2] as number) + length;
    else {
      this.#table[last + 3] = id;
      this.#table[last + 4] = this.#bytes;
      this.#table[last + 5] = length;
      this.#entries++;
    }
    this.#gathered.set(bytes, this.#bytes);
    this.#bytes += length;
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(this.#flush);
  }

  /** Sends what is gathered. */
  flush(): void {
    const entries = this.#entries;
    if (entries === 0) return;
    const incomplete = addon.sendStreams(this.#table, entries, this.#gathered);
    if (incomplete > 0) this.#keepUnsent(entries);
    this.gathering++;
    this.#entries = 0;
    this.#bytes = 0;
  }

  #keepUnsent(entries: number): void {
    const table = this.#table;
    for (let i = 0; i < entries; i++) {
      const stream = this.#find(table[3 * i] as number);
      if (stream === undefined) continue;
      const offset = table[3 * i + 1] as number;
      const taken = table[3 * i + 2] as number;
      const end = i + 1 < entries ? (table[3 * i + 4] as number) : this.#bytes;
      if (taken < 0) stream.failed(-taken);
      else if (offset + taken < end) stream.keep(Buffer.from(this.#gathered.subarray(offset + taken, end)));
    }
  }

  /** Sends bytes of one stream. @returns how many were taken; -errno when no more will be. */
  sendAlone(id: number, bytes: Uint8Array): number {
    const table = this.#single;
    table[0] = id;
    table[1] = 0;
    table[2] = bytes.length;
    addon.sendStreams(table, 1, bytes);
    return table[2];
  }
}

let streams: NativeStreams | undefined;

/** One adopted socket. */
class NativeStream implements ClientTransport {
  readonly id: number;
  readonly peer: string;
  readonly #streams: NativeStreams;
  #events: TransportEvents | undefined;
  /** Arrived before it was adopted. */
  #first: Buffer;
  /** What the kernel has not taken. */
  #unsent: Uint8Array[] = [];
  #unsentBytes = 0;
  /** Bytes of it in the gathering of that number. */
  #gatheredBytes = 0;
  #gathering = 0;
  #reads = false;
  /** The own direction ends, behind what is unsent. */
  #ends = false;
  /** It has ended. */
  #hasEnded = false;
  #peerHasEnded = false;
  #closed = false;
  #failure: Error | undefined;

  constructor(all: NativeStreams, id: number, peer: string, first: Buffer) {
    this.#streams = all;
    this.id = id;
    this.peer = peer;
    this.#first = first;
    all.add(this);
  }

  /** What is gathered is a copy. */
  get borrowedBytes(): number {
    return this.#unsentBytes;
  }

  get pendingBytes(): number {
    return this.#unsentBytes + (this.#gathering === this.#streams.gathering ? this.#gatheredBytes : 0);
  }

  listen(events: TransportEvents): void {
    this.#events = events;
    if (this.#closed) queueMicrotask(() => events.onClose(this.#failure));
    else this.resume();
  }

  received(chunk: Buffer): void {
    this.#events?.onData(chunk);
  }

  peerEnded(): void {
    this.#peerHasEnded = true;
    this.#events?.onEnd?.();
    this.#closeWhenBothEnded();
  }

  #closeWhenBothEnded(): void {
    if (this.#peerHasEnded && this.#hasEnded) this.#close();
  }

  pause(): void {
    if (!this.#reads || this.#closed) return;
    this.#reads = false;
    addon.readStream(this.id, false);
  }

  resume(): void {
    if (this.#reads || this.#closed) return;
    this.#reads = true;
    if (this.#first.length > 0) queueMicrotask(() => this.#deliverFirst());
    else if (!this.#peerHasEnded) addon.readStream(this.id, true);
  }

  /** Nothing is received before. */
  #deliverFirst(): void {
    if (!this.#reads || this.#closed || this.#first.length === 0) return;
    const first = this.#first;
    this.#first = nothing;
    this.received(first);
    if (this.#reads && !this.#closed) addon.readStream(this.id, true);
  }

  write(bytes: Uint8Array): boolean {
    const isLarge = bytes.length > aloneBytes;
    if (isLarge) this.#flushOwn();
    else this.#streams.reserve(bytes.length);
    // What left just now may have been refused.
    if (this.#closed || this.#ends) return false;
    if (this.#unsentBytes > 0) this.keep(bytes);
    else if (isLarge) this.#sendAlone(bytes);
    else this.#gather(bytes);
    return this.#unsentBytes === 0;
  }

  #gather(bytes: Uint8Array): void {
    const { gathering } = this.#streams;
    if (this.#gathering !== gathering) this.#gatheredBytes = 0;
    this.#gathering = gathering;
    this.#gatheredBytes += bytes.length;
    this.#streams.gather(this, bytes);
  }

  /** What this stream has written leaves now, and with it what others have. */
  #flushOwn(): void {
    if (this.#gathering === this.#streams.gathering) this.#streams.flush();
  }

  #sendAlone(bytes: Uint8Array): void {
    const taken = this.#streams.sendAlone(this.id, bytes);
    if (taken < 0) this.failed(-taken);
    else if (taken < bytes.length) this.keep(bytes.subarray(taken));
  }

  /** Keeps what the kernel has not taken; follows what is kept already. */
  keep(bytes: Uint8Array): void {
    this.#unsent.push(bytes);
    this.#unsentBytes += bytes.length;
  }

  /** The kernel takes more. */
  takesMore(): void {
    const unsent = this.#unsent;
    for (let i = 0; i < unsent.length; i++) {
      const bytes = unsent[i] as Uint8Array;
      const taken = this.#streams.sendAlone(this.id, bytes);
      if (taken < 0) {
        this.failed(-taken);
        return;
      }
      this.#unsentBytes -= taken;
      if (taken < bytes.length) {
        this.#unsent = [bytes.subarray(taken), ...unsent.slice(i + 1)];
        return;
      }
    }
    this.#unsent = [];
    if (this.#ends) this.#shutdown(nothing);
    else this.#events?.onDrain?.();
  }

  end(): void {
    this.endWith(nothing);
  }

  endWith(bytes: Uint8Array): void {
    if (this.#closed || this.#ends) return;
    this.#flushOwn();
    if (this.#closed) return;
    this.#ends = true;
    if (this.#unsentBytes === 0) this.#shutdown(bytes);
    else if (bytes.length > 0) this.keep(bytes);
  }

  #shutdown(bytes: Uint8Array): void {
    const taken = addon.endStream(this.id, bytes);
    if (taken < 0) this.failed(-taken);
    else if (taken < bytes.length) this.keep(bytes.subarray(taken));
    else {
      this.#hasEnded = true;
      this.#closeWhenBothEnded();
    }
  }

  failed(errno: number): void {
    if (this.#closed) return;
    this.#failure = new Error(`the connection to ${this.peer} failed (errno ${errno})`);
    this.#close();
  }

  destroy(): void {
    if (this.#closed) return;
    this.#flushOwn();
    this.#close();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#streams.remove(this);
    this.#unsent = [];
    this.#unsentBytes = 0;
    this.#first = nothing;
    addon.closeStream(this.id);
    queueMicrotask(() => this.#events?.onClose(this.#failure));
  }

  handOver(unread: Buffer): Transport {
    assert(!this.#closed, 'a stream that is gone cannot be handed over');
    this.#flushOwn();
    const read = [unread, ...this.#streams.takeUndelivered(this.id), this.#first];
    const unsent = this.#unsent;
    this.#closed = true;
    this.#streams.remove(this);
    const socket = new Socket({
      fd: addon.releaseStream(this.id),
      allowHalfOpen: true,
      readable: true,
      writable: true,
    });
    const transport = socketTransport(socket);
    for (const bytes of unsent) socket.write(bytes);
    const first = Buffer.concat(read);
    if (first.length > 0) socket.unshift(first);
    return transport;
  }
}

/**
 * Takes a connected socket from Node. The socket must not be used any more: it is closed, its connection goes on.
 * @returns undefined when it stays as it is: it carries what is written to it otherwise (TLS), or is closed.
 */
export function adoptSocket(socket: Socket): ClientTransport | undefined {
  const fd = fdOf(socket);
  if (fd === undefined || fd < 0 || socket.writableLength > 0) return undefined;
  streams ??= new NativeStreams();
  const peer = formatEndpoint({ host: socket.remoteAddress ?? '?', port: socket.remotePort ?? 0 });
  const id = addon.adoptStream(fd);
  if (id < 0) return undefined;
  const first = socket.readableLength > 0 ? (socket.read() as Buffer) : nothing;
  socket.destroy();
  return new NativeStream(streams, id, peer, first);
}

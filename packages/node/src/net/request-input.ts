/**
 * What a client has sent: bytes become requests, which are handed over one after the other as long as the connection takes
 * them. It stops reading when replies are not taken, when a request is held, when the connection is about to end, and when
 * it is occupied and enough was read ahead (a little is, so that the peer's end is noticed).
 */
import { ProtocolError, messageOf, type ClientTransport } from '@holdfast/base';
import { RequestDecoder, type KeysAhead, type Request, type RequestLimits } from '@holdfast/resp';

/** So many requests are handed over in a piece. */
export const requestsAtOnce = 32;
/** While it is occupied it reads up to so much ahead. */
const readAheadBytes = 64 * 1024;

/** The connection behind it. */
export interface InputOwner {
  /** May take a request now. */
  readonly isReady: boolean;
  /** Nothing has ended it yet. */
  readonly isOpen: boolean;
  readonly occupied: boolean;
  /** Its replies are taken. */
  readonly hasRoom: boolean;
  /** Ends after what was answered. */
  readonly isEnding: boolean;
  /** Up to `requestsAtOnce` requests are about to be handed over. */
  requestsBegin(): void;
  /** Executes or answers one request, valid until it returns. @returns false when nothing further is to be done now. */
  take(request: Request): boolean;
  /** What arrived is no request; nothing that follows can be read. */
  refuse(message: string): void;
}

export class RequestInput {
  /** Times that records were fetched for the request that is held, or was held last. */
  fetches = 0;
  /** The request that is held waits for records from disk; it is resumed when they are there. */
  isFetching = false;
  readonly #transport: ClientTransport;
  readonly #owner: InputOwner;
  readonly #limits: RequestLimits;
  readonly #decoder: RequestDecoder;
  /** A request that may not run now. */
  #held: Request | undefined;
  #pumping = false;
  /** Nothing is read or executed until the peer has read its replies. */
  #stalled = false;
  #paused = false;

  /** @param limits owned by the input. */
  constructor(transport: ClientTransport, limits: RequestLimits, owner: InputOwner) {
    this.#transport = transport;
    this.#owner = owner;
    this.#limits = limits;
    this.#decoder = new RequestDecoder(limits);
  }

  set unauthenticated(value: boolean) {
    this.#limits.unauthenticated = value;
  }

  /** Bytes received and not executed yet. */
  get bufferedBytes(): number {
    return this.#decoder.bufferedBytes;
  }

  /** The beginning of what was received behind the request being handed over, where it stands; not to be changed or kept. */
  unread(bytesMax: number): Buffer {
    return this.#decoder.unread(bytesMax);
  }

  /** Looks for the first arguments of the requests that follow. */
  lookAhead(keys: KeysAhead): void {
    this.#decoder.lookAhead(keys);
  }

  get memoryBytes(): number {
    return this.#decoder.memoryBytes;
  }

  get held(): boolean {
    return this.#held !== undefined;
  }

  /** Whether it waits for its replies to be taken. */
  get stalled(): boolean {
    return this.#stalled;
  }

  /** Something that has arrived is still to be executed. */
  get hasMore(): boolean {
    return this.held || (this.#stalled && this.#decoder.bufferedBytes > 0);
  }

  push(chunk: Buffer): void {
    this.#decoder.push(chunk);
    this.pump();
  }

  /** Hands over what has arrived, as far as the connection takes it. */
  pump(): void {
    if (this.#pumping || this.held) return;
    this.#pumping = true;
    try {
      for (let count = 0; this.#owner.isReady && this.#decoder.bufferedBytes > 0; count++) {
        if (count % requestsAtOnce === 0) this.#owner.requestsBegin();
        if (!this.#next()) break;
      }
    } finally {
      this.#pumping = false;
    }
    if (this.#decoder.bufferedBytes === 0 && !this.held && !this.#owner.occupied) this.#decoder.release();
    this.applyBackPressure();
  }

  #next(): boolean {
    try {
      if (!this.#decoder.next()) return false;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#owner.refuse(messageOf(error));
      return false;
    }
    return this.#owner.take(this.#decoder.request);
  }

  /** Keeps a request that was handed over: nothing further is, until `resume`. */
  hold(request: Request): void {
    this.#held = request;
  }

  /** Gives up the request that is held. */
  takeHeld(): Request | undefined {
    const request = this.#held;
    this.#held = undefined;
    return request;
  }

  /** Hands the request that is held over again. */
  resume(): void {
    const request = this.takeHeld();
    if (request === undefined) return;
    this.#pumping = true;
    this.#owner.requestsBegin();
    let goesOn = false;
    try {
      goesOn = this.#owner.take(request);
    } finally {
      this.#pumping = false;
    }
    if (goesOn) this.pump();
    else this.applyBackPressure();
  }

  applyBackPressure(): void {
    const { hasRoom, occupied, isEnding, isOpen } = this.#owner;
    this.#stalled = !hasRoom;
    const isAhead = occupied && this.#decoder.bufferedBytes >= readAheadBytes;
    const pauses = isOpen && (this.#stalled || isAhead || this.held || isEnding);
    if (pauses === this.#paused) return;
    this.#paused = pauses;
    if (pauses) this.#transport.pause();
    else this.#transport.resume();
  }

  /** What belongs to no request given out, for a stream that stops being requests. */
  takeRemaining(): Buffer {
    return this.#decoder.takeRemaining();
  }
}

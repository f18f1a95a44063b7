/**
 * Messages in the replication log. A PUBLISH of a master is a put in Kvrocks' pubsub family (key = channel, value =
 * message), the last put of its batch, by which a replica, ours or a stock one, delivers it to its own subscribers.
 * Within MULTI and scripts several messages share one batch: our replicas deliver all of them, stock ones the last.
 *
 * Kvrocks 2.10 has no SPUBLISH, and a put in the pubsub family would make a stock replica deliver the message to ordinary
 * subscribers. So a message of a shard channel is a put in the propagate family under a key of our own, which stock
 * replicas ignore, and a delete right after it, so that nothing is kept: u32 length of the channel, channel, message.
 */
import { BatchReader, Scratch, family, type Engine, type Span } from '@holdfast/engine';

const shardKey = Buffer.from('holdfast_shard_message');
const lengthBytes = 4;

export interface LoggedMessages {
  /** Called for each message in the order of the log; the spans are valid during the call. */
  message(kind: 'channel' | 'shard', channel: Span, message: Span): void;
}

export class MessageLog {
  readonly #engine: Pick<Engine, 'tick'>;
  readonly #key = new Scratch();

  constructor(engine: Pick<Engine, 'tick'>) {
    this.#engine = engine;
  }

  /** Writes a message into the open tick. */
  put(kind: 'channel' | 'shard', channel: Span, message: Span): void {
    const { tick } = this.#engine;
    const key = this.#key;
    key.reset();
    if (kind === 'channel') {
      key.bytes(channel.buffer, channel.start, channel.end);
      tick.putAlone(family.pubsub, key, message);
      return;
    }
    key.bytes(shardKey);
    const value = packShardMessage(channel, message);
    tick.putAlone(family.propagate, key, { buffer: value, start: 0, end: value.length });
    tick.delete(family.propagate, key);
  }
}

function packShardMessage(channel: Span, message: Span): Buffer {
  const channelBytes = channel.end - channel.start;
  const value = Buffer.allocUnsafe(lengthBytes + channelBytes + message.end - message.start);
  value.writeUInt32BE(channelBytes, 0);
  channel.buffer.copy(value, lengthBytes, channel.start, channel.end);
  message.buffer.copy(value, lengthBytes + channelBytes, message.start, message.end);
  return value;
}

/**
 * Finds the messages in write batches that stand one after the other in `packed`.
 * @param count how many of `lengths` count.
 */
export function readMessages(packed: Buffer, lengths: Uint32Array, count: number, into: LoggedMessages): void {
  let start = 0;
  for (let index = 0; index < count; index++) {
    const end = start + (lengths[index] as number);
    const reader = new BatchReader(packed, start, end);
    while (reader.next()) if (reader.kind === 'put') readPut(reader, into);
    start = end;
  }
}

function readPut({ family: of, key, value }: BatchReader, into: LoggedMessages): void {
  if (of === family.pubsub) {
    into.message('channel', key, value);
    return;
  }
  if (of !== family.propagate || !key.view().equals(shardKey) || value.length < lengthBytes) return;
  const { buffer, start, end } = value;
  const channelEnd = start + lengthBytes + buffer.readUInt32BE(start);
  if (channelEnd > end) return;
  const channel = { buffer, start: start + lengthBytes, end: channelEnd };
  into.message('shard', channel, { buffer, start: channelEnd, end });
}

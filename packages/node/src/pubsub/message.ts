/**
 * Messages as they go to subscribers: an array in RESP2, a push in RESP3. Encoded once for all who get the same bytes.
 */
import type { Span } from '@holdfast/engine';

const crlf = '\r\n';

/** `message`, `pmessage` with its pattern, or `smessage`. `pattern` is one character per byte. */
export interface MessageShape {
  readonly kind: 'channel' | 'pattern' | 'shard';
  readonly pattern?: string;
}

const words = { channel: 'message', pattern: 'pmessage', shard: 'smessage' } as const;

/** A whole message for a subscriber that speaks `protocol`. */
export function encodeMessage(protocol: 2 | 3, { kind, pattern }: MessageShape, channel: Span, message: Span): Buffer {
  const word = words[kind];
  const elements = pattern === undefined ? 3 : 4;
  let head = `${protocol === 3 ? '>' : '*'}${elements}${crlf}$${word.length}${crlf}${word}${crlf}`;
  if (pattern !== undefined) head += `$${pattern.length}${crlf}${pattern}${crlf}`;
  const [channelBytes, messageBytes] = [channel.end - channel.start, message.end - message.start];
  head += `$${channelBytes}${crlf}`;
  const between = `${crlf}$${messageBytes}${crlf}`;
  const whole = Buffer.allocUnsafe(head.length + channelBytes + between.length + messageBytes + 2);
  let at = whole.latin1Write(head, 0);
  at += channel.buffer.copy(whole, at, channel.start, channel.end);
  at += whole.latin1Write(between, at);
  at += message.buffer.copy(whole, at, message.start, message.end);
  whole.latin1Write(crlf, at);
  return whole;
}

/** What a subscriber of a shard channel is told when its slot goes to another shard. */
export function encodeShardEnd(protocol: 2 | 3, channel: string, left: number): Buffer {
  const mark = protocol === 3 ? '>' : '*';
  const text = `${mark}3${crlf}$12${crlf}sunsubscribe${crlf}$${channel.length}${crlf}${channel}${crlf}:${left}${crlf}`;
  return Buffer.from(text, 'latin1');
}

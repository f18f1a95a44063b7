/**
 * The header by which a balancer tells who is behind a connection: PROXY protocol, versions 1 and 2 (the HAProxy
 * specification of 2020). It comes before anything else, TLS too.
 *
 *   1: `PROXY TCP4 <source> <destination> <source port> <destination port>\r\n`, or `PROXY UNKNOWN …\r\n`
 *   2: 12 bytes signature | u8 version and command | u8 family | u16 length | addresses, ports, extensions
 *
 * Whoever can send one says who it is: only sources that are trusted are asked.
 */
import { isIPv4, isIPv6 } from 'node:net';
import type { Endpoint } from '@holdfast/base';

/** What the bytes so far are. */
export type ProxyReading =
  | { readonly kind: 'incomplete' }
  /** They do not begin as a header does. */
  | { readonly kind: 'none' }
  | { readonly kind: 'bad'; readonly reason: string }
  | {
      readonly kind: 'header';
      readonly bytes: number;
      /** Undefined when nobody is behind it: the balancer speaks for itself, or does not know. */
      readonly ends: ProxyEnds | undefined;
    };

export interface ProxyEnds {
  /** The client. */
  readonly source: Endpoint;
  /** What it connected to. */
  readonly destination: Endpoint;
}

const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const begin = Buffer.from('PROXY ');
const lineEnd = Buffer.from('\r\n');
/** Longest first line of version 1, with its end. */
const lineBytesMax = 107;
/** Addresses and extensions of version 2; balancers send a few hundred bytes. */
const bodyBytesMax = 4096;
const headBytes = 16;

const incomplete: ProxyReading = { kind: 'incomplete' };

/** Reads the header at the beginning of a stream; what is incomplete is shorter than 4112 bytes. Pure. */
export function readProxyHeader(bytes: Buffer): ProxyReading {
  if (beginsAs(bytes, signature)) return bytes.length < headBytes ? incomplete : readBinary(bytes);
  if (beginsAs(bytes, begin)) return bytes.length < begin.length ? incomplete : readLine(bytes);
  return { kind: 'none' };
}

/** As far as both go. */
function beginsAs(bytes: Buffer, expected: Buffer): boolean {
  const length = Math.min(bytes.length, expected.length);
  return bytes.compare(expected, 0, length, 0, length) === 0;
}

function bad(reason: string): ProxyReading {
  return { kind: 'bad', reason };
}

function readLine(bytes: Buffer): ProxyReading {
  const end = bytes.subarray(0, lineBytesMax).indexOf(lineEnd);
  if (end < 0) return bytes.length < lineBytesMax ? incomplete : bad('the line does not end');
  const length = end + lineEnd.length;
  const [, family = '', ...words] = bytes.toString('latin1', 0, end).split(' ');
  if (family === 'UNKNOWN') return { kind: 'header', bytes: length, ends: undefined };
  const ends = endsOf(family, words);
  return typeof ends === 'string' ? bad(ends) : { kind: 'header', bytes: length, ends };
}

/** The addresses of a line, or what is wrong with them. */
function endsOf(family: string, words: readonly string[]): ProxyEnds | string {
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isIPv6 : undefined;
  if (isAddress === undefined) return 'the protocol is none of TCP4, TCP6 and UNKNOWN';
  const [from = '', to = '', fromPort = '', toPort = ''] = words;
  const isGood = isAddress(from) && isAddress(to) && isPort(fromPort) && isPort(toPort) && words.length === 4;
  if (!isGood) return 'the addresses are none';
  return { source: { host: from, port: Number(fromPort) }, destination: { host: to, port: Number(toPort) } };
}

function isPort(word: string): boolean {
  return /^(0|[1-9][0-9]{0,4})$/.test(word) && Number(word) <= 65535;
}

function readBinary(bytes: Buffer): ProxyReading {
  const command = bytes.readUInt8(12);
  const family = bytes.readUInt8(13);
  const bodyBytes = bytes.readUInt16BE(14);
  if (command !== 0x20 && command !== 0x21) return bad('its version or command is unknown');
  if (bodyBytes > bodyBytesMax) return bad(`it is longer than ${bodyBytesMax} bytes`);
  const length = headBytes + bodyBytes;
  if (bytes.length < length) return incomplete;
  const nobody: ProxyReading = { kind: 'header', bytes: length, ends: undefined };
  const addressBytes = family === 0x11 ? 4 : family === 0x21 ? 16 : undefined;
  if (command === 0x20 || addressBytes === undefined) return nobody;
  if (bodyBytes < 2 * addressBytes + 4) return bad('it is too short for its addresses');
  const host = (at: number): string => hostOf(bytes.subarray(at, at + addressBytes));
  const ports = headBytes + 2 * addressBytes;
  const source = { host: host(headBytes), port: bytes.readUInt16BE(ports) };
  const destination = { host: host(headBytes + addressBytes), port: bytes.readUInt16BE(ports + 2) };
  return { kind: 'header', bytes: length, ends: { source, destination } };
}

function hostOf(address: Buffer): string {
  if (address.length === 4) return address.join('.');
  const groups = Array.from({ length: 8 }, (_, index) => address.readUInt16BE(2 * index));
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (isMapped) return address.subarray(12).join('.');
  const { start, length } = longestZeros(groups);
  const shown = groups.map((group) => group.toString(16));
  if (length < 2) return shown.join(':');
  return `${shown.slice(0, start).join(':')}::${shown.slice(start + length).join(':')}`;
}

/** The first of the longest runs of zeros, which is the one that is left out (RFC 5952). */
function longestZeros(groups: readonly number[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}

/**
 * PROXY protocol version 2 (the HAProxy specification of 2020, section 2.2): tells the backend who the client really is.
 *
 *   12 bytes signature | 0x21 version 2, command PROXY | 0x11 TCP over IPv4 or 0x21 over IPv6 | u16 length
 *   | source address | destination address | u16 source port | u16 destination port
 */
import { SocketAddress, isIPv4 } from 'node:net';
import type { Endpoint } from '@holdfast/base';

const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');

/** A connection of this process itself (command LOCAL): no client stands behind it. */
export const localHeader: Buffer = Buffer.concat([signature, Buffer.from([0x20, 0x00, 0, 0])]);

/** `source` is the client, `destination` the address it connected to; both IP addresses. Mixed families become IPv6. */
export function proxyHeader(source: Endpoint, destination: Endpoint): Buffer {
  const from = plainAddress(source.host);
  const to = plainAddress(destination.host);
  const ipv4 = isIPv4(from) && isIPv4(to);
  const addresses = Buffer.concat([addressBytes(from, ipv4), addressBytes(to, ipv4)]);
  const rest = Buffer.alloc(4);
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(source.port, 0);
  ports.writeUInt16BE(destination.port, 2);
  rest.writeUInt8(0x21, 0);
  rest.writeUInt8(ipv4 ? 0x11 : 0x21, 1);
  rest.writeUInt16BE(addresses.length + ports.length, 2);
  return Buffer.concat([signature, rest, addresses, ports]);
}

/** A socket that listens on both families shows IPv4 peers as ::ffff:a.b.c.d. */
function plainAddress(host: string): string {
  const mapped = /^::ffff:([0-9.]+)$/i.exec(host)?.[1];
  return mapped !== undefined && isIPv4(mapped) ? mapped : (host.split('%')[0] ?? host);
}

function addressBytes(host: string, asIPv4: boolean): Buffer {
  if (isIPv4(host)) {
    const bytes = Buffer.from(host.split('.').map(Number));
    return asIPv4 ? bytes : Buffer.concat([Buffer.alloc(10), Buffer.from([0xff, 0xff]), bytes]);
  }
  // SocketAddress gives the canonical form, in which only `::` and a dotted tail are left to expand.
  const { address } = new SocketAddress({ address: host, family: 'ipv6' });
  const tail = /([0-9]+(?:\.[0-9]+){3})$/.exec(address)?.[1];
  const hex = tail === undefined ? address : address.slice(0, -tail.length) + hexGroups(tail);
  const [head = '', rear] = hex.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = rear === undefined || rear === '' ? [] : rear.split(':');
  const middle = rear === undefined ? [] : Array.from({ length: 8 - left.length - right.length }, () => '0');
  const bytes = Buffer.alloc(16);
  for (const [index, group] of [...left, ...middle, ...right].entries())
    bytes.writeUInt16BE(Number.parseInt(group, 16), index * 2);
  return bytes;
}

function hexGroups(dotted: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = dotted.split('.').map(Number);
  return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readProxyHeader, type ProxyReading } from './proxy-header.ts';

/** One line for a reading. */
function shown(reading: ProxyReading): string {
  if (reading.kind === 'bad') return `bad: ${reading.reason}`;
  if (reading.kind !== 'header') return reading.kind;
  const { bytes, ends } = reading;
  if (ends === undefined) return `${bytes} nobody`;
  const { source, destination } = ends;
  return `${bytes} ${source.host} ${source.port} > ${destination.host} ${destination.port}`;
}

const read = (text: string | Buffer): string => shown(readProxyHeader(Buffer.from(text as string, 'latin1')));

/** Version 2 with a command, a family and a body. */
function binary(command: number, family: number, body: Buffer, length: number = body.length): Buffer {
  const head = Buffer.from('0d0a0d0a000d0a515549540a0000ffff', 'hex');
  head.writeUInt8(command, 12);
  head.writeUInt8(family, 13);
  head.writeUInt16BE(length, 14);
  return Buffer.concat([head, body]);
}

const ipv4 = Buffer.from('c0a80001 0a000002 1234 1b58'.replaceAll(' ', ''), 'hex');
const ipv6 = Buffer.from(`${'20010db8'}${'00'.repeat(8)}${'00000001'}${'00'.repeat(15)}01${'12341b58'}`, 'hex');

test('version 1 names client and destination, or nobody', () => {
  assert.equal(read('PROXY TCP4 192.168.0.1 10.0.0.2 4660 7000\r\nPING\r\n'), '43 192.168.0.1 4660 > 10.0.0.2 7000');
  assert.equal(read('PROXY TCP6 2001:db8::1 ::1 4660 7000\r\n'), '38 2001:db8::1 4660 > ::1 7000');
  assert.equal(read('PROXY UNKNOWN\r\n'), '15 nobody');
  assert.equal(read('PROXY UNKNOWN ffff::1 whatever 1 2\r\nx'), '36 nobody');
});

test('version 2 names client and destination, or nobody; extensions are passed over', () => {
  assert.equal(shown(readProxyHeader(binary(0x21, 0x11, ipv4))), '28 192.168.0.1 4660 > 10.0.0.2 7000');
  assert.equal(shown(readProxyHeader(binary(0x21, 0x21, ipv6))), '52 2001:db8::1 4660 > ::1 7000');
  const extended = Buffer.concat([ipv4, Buffer.from('0400021234', 'hex')]);
  const reading = readProxyHeader(Buffer.concat([binary(0x21, 0x11, extended), Buffer.from('PING')]));
  assert.equal(shown(reading), '33 192.168.0.1 4660 > 10.0.0.2 7000');
  assert.equal(shown(readProxyHeader(binary(0x20, 0x00, Buffer.alloc(0)))), '16 nobody');
  assert.equal(shown(readProxyHeader(binary(0x20, 0x11, ipv4))), '28 nobody');
  assert.equal(shown(readProxyHeader(binary(0x21, 0x31, Buffer.alloc(216)))), '232 nobody');
});

test('addresses are shown as everywhere: IPv4 never mapped, zeros left out once', () => {
  const ends = (hex: string): string => {
    const address = Buffer.from(hex, 'hex');
    const reading = readProxyHeader(binary(0x21, 0x21, Buffer.concat([address, address, Buffer.alloc(4)])));
    return shown(reading).split(' ')[1] ?? '';
  };
  assert.equal(ends('00000000000000000000ffff7f000001'), '127.0.0.1');
  assert.equal(ends('00'.repeat(16)), '::');
  assert.equal(ends('20010db8000000010000000000000001'), '2001:db8:0:1::1');
  assert.equal(ends('00010002000300040005000600070008'), '1:2:3:4:5:6:7:8');
  assert.equal(ends('00010002000300040005000600070000'), '1:2:3:4:5:6:7:0');
  assert.equal(ends('fe800000000000000000000000000000'), 'fe80::');
});

test('every beginning of a header is incomplete, whatever else follows is no header', () => {
  for (const whole of [binary(0x21, 0x21, ipv6), Buffer.from('PROXY TCP4 192.168.0.1 10.0.0.2 4660 7000\r\n')]) {
    for (let length = 0; length < whole.length; length++)
      assert.deepEqual(readProxyHeader(whole.subarray(0, length)), { kind: 'incomplete' }, String(length));
    assert.equal(readProxyHeader(whole).kind, 'header');
  }
  for (const other of ['PING\r\n', 'PROXx', '*1\r\n', '\r\n\r\nPING', '\x16\x03\x01', 'proxy '])
    assert.equal(read(other), 'none');
});

test('headers that cannot be right are bad, and none grows without bound', () => {
  const addresses = 'bad: the addresses are none';
  assert.equal(read('PROXY TCP4 192.168.0.1 10.0.0.2 4660 70000\r\n'), addresses);
  assert.equal(read('PROXY TCP4 192.168.0.1 10.0.0.2 4660\r\n'), addresses);
  assert.equal(read('PROXY TCP4 192.168.0.1 10.0.0.2 1 2 3\r\n'), addresses);
  assert.equal(read('PROXY TCP4 ::1 10.0.0.2 1 2\r\n'), addresses);
  assert.equal(read('PROXY TCP6 1.2.3.4 ::1 1 2\r\n'), addresses);
  assert.equal(read('PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n'), 'bad: the protocol is none of TCP4, TCP6 and UNKNOWN');
  assert.equal(read(`PROXY UNKNOWN ${'x'.repeat(200)}`), 'bad: the line does not end');
  assert.equal(shown(readProxyHeader(binary(0x11, 0x11, ipv4))), 'bad: its version or command is unknown');
  assert.equal(shown(readProxyHeader(binary(0x21, 0x21, ipv4))), 'bad: it is too short for its addresses');
  assert.equal(shown(readProxyHeader(binary(0x21, 0x11, ipv4, 4097))), 'bad: it is longer than 4096 bytes');
});

test('any bytes are read to some end', () => {
  let seed = 7;
  const next = (below: number): number => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % below;
  const wholes = [binary(0x21, 0x21, ipv6), Buffer.from('PROXY TCP4 192.168.0.1 10.0.0.2 4660 7000\r\n')];
  for (let round = 0; round < 5000; round++) {
    const bytes = Buffer.from(wholes[next(2)] as Buffer);
    for (let change = next(4); change >= 0; change--) bytes[next(bytes.length)] = next(256);
    const reading = readProxyHeader(bytes.subarray(0, next(bytes.length + 1)));
    if (reading.kind === 'header') assert.ok(reading.bytes <= bytes.length);
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proxyHeader } from './proxy-header.ts';

const start = '0d0a0d0a000d0a515549540a21';

function hex(source: string, destination: string): string {
  return proxyHeader({ host: source, port: 0x1234 }, { host: destination, port: 7000 }).toString('hex');
}

test('an IPv4 connection is described in 12 bytes after the head', () => {
  assert.equal(hex('192.168.1.2', '127.0.0.1'), `${start}11000cc0a801027f00000112341b58`);
});

test('an IPv4 client of a dual-stack listener is shown as IPv4', () => {
  assert.equal(hex('::ffff:192.168.1.2', '::ffff:127.0.0.1'), `${start}11000cc0a801027f00000112341b58`);
});

test('an IPv6 connection is described in 36 bytes after the head', () => {
  const ports = '12341b58';
  const one = `${'00'.repeat(15)}01`;
  assert.equal(hex('::1', '::1'), `${start}210024${one}${one}${ports}`);
  const full = '20010db8000100020003000400050006';
  assert.equal(hex('2001:db8:1:2:3:4:5:6', '::1'), `${start}210024${full}${one}${ports}`);
  const gap = 'fe80000000000000000000000000abcd';
  assert.equal(hex('fe80::abcd%eth0', '2001:DB8:1:2:3:4:5:6'), `${start}210024${gap}${full}${ports}`);
  assert.equal(hex('::', '1::'), `${start}210024${'00'.repeat(16)}0001${'00'.repeat(14)}${ports}`);
});

test('mixed families are both described as IPv6', () => {
  const mapped = '00000000000000000000ffff7f000001';
  assert.equal(hex('::1', '127.0.0.1'), `${start}210024${'00'.repeat(15)}01${mapped}12341b58`);
  assert.equal(hex('::ffff:7f00:1', '::1'), `${start}210024${mapped}${'00'.repeat(15)}0112341b58`);
});

import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { test } from 'node:test';
import { seededRandom, randomBelow, randomText } from '@holdfast/base';
import { canonicalHost, isHostName, isIpv4, isIpv6, parseEndpoint, sameEndpoint } from './host.ts';

test('addresses are told from names as the operating system tells them', () => {
  const table = [
    '1.2.3.4', '255.255.255.255', '256.1.1.1', '1.2.3', '1.2.3.4.5', '01.2.3.4', '1.2.3.', '', '.',
    '::', '::1', '1::', '1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1::2::3', ':1', '1:', ':::', '::1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7::', '1:2:3:4:5:6::8:9', 'fe80::1', '12345::', 'g::', '::ffff:1.2.3.4', '1.2.3.4::', '::1.2.3.4:5', '1:2:3:4:5:6:1.2.3.4',
    '1:2:3:4:5:6:7:1.2.3.4', '::1.2.3', '[::1]', 'localhost', '::FFFF:0.0.0.0',
  ]; // prettier-ignore
  for (const text of table) {
    assert.equal(isIpv4(text), isIP(text) === 4, `IPv4 ${text}`);
    assert.equal(isIpv6(text), isIP(text) === 6, `IPv6 ${text}`);
  }
});

test('random addresses of a fixed seed are judged as the operating system judges them', () => {
  const random = seededRandom(20);
  for (let i = 0; i < 5000; i++) {
    const text = randomText(random, 1 + randomBelow(random, 20), '::::12af.0');
    assert.equal(isIpv4(text) || isIpv6(text), isIP(text) !== 0, text);
  }
});

test('an address with a zone is no address for clients elsewhere', () => assert.equal(isIpv6('fe80::1%eth0'), false));

const names: readonly [string, boolean][] = [
  ['localhost', true],
  ['lb-1.example.com', true],
  ['3com.com', true],
  ['LB.Example', true],
  ['a'.repeat(63), true],
  ['a'.repeat(64), false],
  [`${'a.'.repeat(126)}a`, true],
  [`${'a.'.repeat(127)}a`, false],
  ['-a.com', false],
  ['a-.com', false],
  ['a..com', false],
  ['a.com.', false],
  ['under_score', false],
  ['10.0.0', false],
  ['300.1.1.1', false],
  ['lb.7', false],
  ['', false],
];
for (const [name, valid] of names) {
  test(`"${name.slice(0, 20)}" (${name.length} characters) is ${valid ? 'a' : 'no'} host name`, () =>
    assert.equal(isHostName(name), valid));
}

test('one host written in several ways is one host', () => {
  assert.equal(canonicalHost('0:0:0:0:0:0:0:1'), canonicalHost('::1'));
  assert.equal(canonicalHost('2001:DB8::A'), canonicalHost('2001:db8:0:0::a'));
  assert.equal(canonicalHost('LB.example'), canonicalHost('lb.EXAMPLE'));
  assert.notEqual(canonicalHost('::1'), canonicalHost('::2'));
  assert.ok(sameEndpoint({ host: '::1', port: 1 }, { host: '0::1', port: 1 }));
  assert.ok(!sameEndpoint({ host: '::1', port: 1 }, { host: '::1', port: 2 }));
});

test('an endpoint is read with IPv6 in brackets or without', () => {
  assert.deepEqual(parseEndpoint('lb.example:7000'), { host: 'lb.example', port: 7000 });
  assert.deepEqual(parseEndpoint('[::1]:7000'), { host: '::1', port: 7000 });
  assert.deepEqual(parseEndpoint('::1:7000'), { host: '::1', port: 7000 });
  for (const text of ['', ':1', 'h', 'h:', 'h:0', 'h:65536', 'h:x', '[::1]', '[]:1', '[::1:1', 'h:-1'])
    assert.equal(parseEndpoint(text), undefined, text);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEndpoint } from './endpoint.ts';

test('an endpoint is an IPv4 address, a bracketed IPv6 address or a host name, and a port', () => {
  const valid: [string, string, number][] = [
    ['127.0.0.1:7000', '127.0.0.1', 7000],
    ['[::1]:1', '::1', 1],
    ['[fe80::1:2]:65535', 'fe80::1:2', 65535],
    ['node-1.example.org:6661', 'node-1.example.org', 6661],
    ['localhost:80', 'localhost', 80],
  ];
  for (const [text, host, port] of valid) assert.deepEqual(parseEndpoint(text), { host, port }, text);
});

test('anything else is no endpoint', () => {
  const invalid = ['', ':7000', '127.0.0.1', '127.0.0.1:', '127.0.0.1:0', '127.0.0.1:65536', '127.0.0.1:07000'];
  invalid.push('127.0.0.256:1', '127.0.0:1', '::1:7000', '[::1]', '[127.0.0.1]:1', '[::g]:1', 'a b:1', '-a:1', 'a_b:1');
  invalid.push('host:1 ', ' host:1', 'host:+1', 'host:1e3', `${'a'.repeat(64)}:1`, '1234:5', 'http://host:1');
  for (const text of invalid) assert.equal(parseEndpoint(text), undefined, text);
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodeCommand } from './encode-command.ts';
import { KeysAhead } from './keys-ahead.ts';
import { RequestDecoder } from './request-decoder.ts';

function found(keys: KeysAhead): string[] {
  return Array.from({ length: keys.count }, (_, i) => keys.buffer.toString('latin1', keys.start(i), keys.end(i)));
}

function foundIn(bytes: string | Buffer, most = 32): string[] {
  const keys = new KeysAhead(most);
  const buffer = Buffer.from(bytes);
  keys.find(buffer, 0, buffer.length);
  return found(keys);
}

const pipeline = Buffer.concat([
  encodeCommand(['GET', 'a']),
  encodeCommand(['HSET', 'key:000000000012', 'f', 'x'.repeat(1234)]),
  encodeCommand(['PING']),
  encodeCommand(['get', '']),
  encodeCommand(['MGET', ...Array.from({ length: 12 }, (_, i) => `k${i}`)]),
]);

describe('keys that are looked for ahead', () => {
  test('are the first arguments of whole requests, up to so many', () => {
    assert.deepEqual(foundIn(pipeline), ['a', 'key:000000000012', '', 'k0']);
    assert.deepEqual(foundIn(pipeline, 2), ['a', 'key:000000000012']);
  });

  test('come with the second arguments, where there are any', () => {
    const keys = new KeysAhead(32);
    keys.find(pipeline, 0, pipeline.length);
    const elements = Array.from({ length: keys.count }, (_, i) =>
      keys.elementStart(i) < 0 ? null : pipeline.toString('latin1', keys.elementStart(i), keys.elementEnd(i)),
    );
    assert.deepEqual(elements, [null, 'f', null, 'k1']);
  });

  test('a cut, an inline request and what is no request end the search', () => {
    for (let cut = 0; cut <= pipeline.length; cut++) {
      const keys = foundIn(pipeline.subarray(0, cut));
      assert.deepEqual(keys, ['a', 'key:000000000012', '', 'k0'].slice(0, keys.length), `cut at ${cut}`);
    }
    for (const odd of ['GET b\r\n', '*2\r\n$3\r\nGET\r\n$-1\r\n', '*-1\r\n', '*2\r\n:3\r\n', '*\r\n', '*99999\r\n$1'])
      assert.deepEqual(foundIn(`*2\r\n$3\r\nGET\r\n$1\r\na\r\n${odd}*2\r\n$3\r\nGET\r\n$1\r\nb\r\n`), ['a'], odd);
  });

  test('nothing outside of what was received is looked at, whatever was sent', () => {
    let seed = 7;
    const next = (below: number): number => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) % below;
    for (let round = 0; round < 2000; round++) {
      const bytes = Buffer.from(pipeline.subarray(0, 20 + next(1300)));
      for (let i = 0; i < 3; i++) bytes[next(bytes.length)] = next(256);
      const keys = new KeysAhead(8);
      const end = next(bytes.length + 1);
      keys.find(bytes, 0, end);
      for (let i = 0; i < keys.count; i++) {
        assert.ok(keys.start(i) <= keys.end(i) && keys.end(i) <= end);
        if (keys.elementStart(i) !== -1) assert.ok(keys.end(i) < keys.elementStart(i) && keys.elementEnd(i) <= end);
      }
    }
  });

  test('a decoder tells what follows the request given out last, while that stands in one piece', () => {
    const decoder = new RequestDecoder();
    const keys = new KeysAhead(32);
    decoder.push(pipeline);
    decoder.lookAhead(keys);
    assert.deepEqual(found(keys), ['a', 'key:000000000012', '', 'k0']);
    assert.ok(decoder.next());
    decoder.lookAhead(keys);
    assert.deepEqual(found(keys), ['key:000000000012', '', 'k0']);
    while (decoder.next());
    decoder.push(pipeline.subarray(0, 30));
    decoder.next();
    decoder.next();
    decoder.push(pipeline.subarray(30));
    decoder.lookAhead(keys);
    assert.deepEqual(found(keys), [], 'the request is begun');
    assert.equal(decoder.next(), true);
  });
});

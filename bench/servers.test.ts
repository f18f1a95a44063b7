import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withDirectives } from './servers.ts';

test("a shipped configuration keeps every line but those that are the bench's own", () => {
  const shipped = '# port 1\nport 6666\nworkers 8\nrocksdb.compression no\n\nbind 0.0.0.0\n';
  const text = withDirectives(shipped, [
    ['port', '7'],
    ['workers', '1'],
  ]);
  assert.deepEqual(text.split('\n').filter(Boolean), [
    '# port 1',
    'rocksdb.compression no',
    'bind 0.0.0.0',
    'port 7',
    'workers 1',
  ]);
});

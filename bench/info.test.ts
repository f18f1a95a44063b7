import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readInfo } from './info.ts';

test('INFO is read field by field, colons in values included', () => {
  const info = readInfo('# Replication\r\nrole:master\r\nslave0:ip=::1,port=7,offset=9,lag=0\r\n\r\n');
  assert.deepEqual(
    [...info],
    [
      ['role', 'master'],
      ['slave0', 'ip=::1,port=7,offset=9,lag=0'],
    ],
  );
});

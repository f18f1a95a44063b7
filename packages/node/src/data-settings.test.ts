import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Config } from './config/config.ts';
import { parseConfig } from './config/parse-config.ts';
import { dataSettings } from './data-settings.ts';

test('what commands on data read changes with CONFIG SET', () => {
  const config = new Config(parseConfig({ text: 'json-max-nesting-depth 7\nhash-length-mode approximate' }));
  const { json, hashes, streams } = dataSettings(config);
  assert.deepEqual({ ...streams }, { nodeMaxEntries: 100 });
  assert.equal(config.set([['stream-node-max-entries', '3']]), undefined);
  assert.deepEqual({ ...streams }, { nodeMaxEntries: 3 });
  assert.deepEqual({ ...json }, { storageFormat: 'json', nestingMax: 7 });
  assert.deepEqual({ ...hashes }, { encodingMode: 'legacy', lengthMode: 'approximate' });
  assert.equal(config.set([['json-storage-format', 'CBOR']]), undefined);
  assert.equal(config.set([['json-max-nesting-depth', '9']]), undefined);
  assert.equal(config.set([['hash-encoding-mode', 'field-expiration']]), undefined);
  assert.equal(config.set([['hash-length-mode', 'accurate']]), undefined);
  assert.deepEqual({ ...json }, { storageFormat: 'cbor', nestingMax: 9 });
  assert.deepEqual({ ...hashes }, { encodingMode: 'field-expiration', lengthMode: 'accurate' });
  assert.match(
    String(config.set([['hash-encoding-mode', 'newer']])),
    /invalid enum option: expected one of legacy, field-expiration/,
  );
});

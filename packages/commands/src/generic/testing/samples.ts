/** Requests that the checks of all declarations use (data/data-commands.test.ts). */
import type { FamilySamples } from '../../data/testing/family-samples.ts';

export const samples: FamilySamples = {
  prepare: ['SET s value', 'SET t v EX 100', 'HSET h f 1 g 2 n 3', 'RPUSH l 3 1 2'],
  samples: [
    'del s h new',
    'unlink s',
    'exists s h',
    'touch s h',
    'type h',
    'rename h new',
    'renamenx h new',
    'copy h new REPLACE',
    'object ENCODING h',
    'expire h 10 NX',
    'pexpire h 10',
    'expireat h 4102444800',
    'pexpireat h 4102444800000',
    'ttl h',
    'pttl h',
    'expiretime h',
    'pexpiretime h',
    'persist t',
    'scan 0 MATCH * COUNT 5 TYPE hash',
    'keys *',
    'randomkey',
    'sort l DESC LIMIT 0 2 STORE sorted',
    'sort_ro l BY nosort',
    'dump l',
    'move s 1',
    'kmetadata l',
    // The string `value`, with the version and checksum of its payload.
    'restore s 0 hex:000576616c75650600171ba9b834ffa7fd REPLACE',
  ],
  exceptions: {
    move: 'There is one database, so nothing moves; it is a write in Redis and Kvrocks, and stays one for their clients.',
  },
};

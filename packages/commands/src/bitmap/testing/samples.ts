/** Requests that the checks of all declarations use (data/data-commands.test.ts). */
import type { FamilySamples } from '../../data/testing/family-samples.ts';

export const samples: FamilySamples = {
  prepare: ['SETBIT bits:a 7 1', 'SETBIT bits:a 100000 1', 'SETBIT bits:b 7 1', 'SET bits:s foobar'],
  samples: [
    'setbit bits:a 5 1',
    'getbit bits:a 7',
    'bitcount bits:a 0 -1 BIT',
    'bitpos bits:a 1 0 -1 BYTE',
    'bitop OR bits:c bits:a bits:b bits:s',
    'bitfield bits:a SET u8 0 200 INCRBY i5 #3 1 GET u4 0',
    'bitfield_ro bits:a GET u8 0',
  ],
};

/** Requests that the checks of all declarations use (data/data-commands.test.ts). */
import type { FamilySamples } from '../../data/testing/family-samples.ts';

export const samples: FamilySamples = {
  prepare: ['BF.RESERVE bloom:a 0.01 100', 'BF.MADD bloom:a x y z'],
  samples: [
    'bf.reserve bloom:new 0.01 100 EXPANSION 4',
    'bf.add bloom:a item',
    'bf.madd bloom:a item other',
    'bf.insert bloom:new CAPACITY 10 ERROR 0.1 EXPANSION 3 ITEMS item other',
    'bf.exists bloom:a x',
    'bf.mexists bloom:a x other',
    'bf.info bloom:a ITEMS',
    'bf.card bloom:a',
  ],
};

/** Requests that the checks of all declarations use (data/data-commands.test.ts). */
import type { FamilySamples } from '../../data/testing/family-samples.ts';

export const samples: FamilySamples = {
  prepare: ['SIADD si:a 1 2 18446744073709551615'],
  samples: [
    'siadd si:a 5 6',
    'sirem si:a 1',
    'sicard si:a',
    'siexists si:a 1 3',
    'sirange si:a 0 10 CURSOR 1',
    'sirevrange si:a 0 10 CURSOR 5',
    'sirangebyvalue si:a (1 +inf LIMIT 0 5',
    'sirevrangebyvalue si:a +inf (1 LIMIT 0 5',
  ],
};

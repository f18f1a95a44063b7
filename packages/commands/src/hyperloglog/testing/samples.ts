/** Requests that the checks of all declarations use (data/data-commands.test.ts). */
import type { FamilySamples } from '../../data/testing/family-samples.ts';

export const samples: FamilySamples = {
  prepare: ['PFADD hll:a x y z', 'PFADD hll:b v w'],
  samples: ['pfadd hll:a new', 'pfcount hll:a hll:b', 'pfmerge hll:a hll:b hll:none'],
};

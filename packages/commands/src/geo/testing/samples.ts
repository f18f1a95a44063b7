/** Requests that the checks of all declarations use (data/data-commands.test.ts). */
import type { FamilySamples } from '../../data/testing/family-samples.ts';

export const samples: FamilySamples = {
  prepare: ['GEOADD geo 13.361389 38.115556 Palermo 15.087269 37.502669 Catania'],
  samples: [
    'geoadd geo 2.35 48.85 Paris',
    'geodist geo Palermo Catania km',
    'geohash geo Palermo',
    'geopos geo Palermo',
    'georadius geo 15 37 200 km STORE near',
    'georadius_ro geo 15 37 200 km WITHDIST',
    'georadiusbymember geo Palermo 200 km STOREDIST near',
    'georadiusbymember_ro geo Palermo 200 km',
    'geosearch geo FROMMEMBER Palermo BYBOX 400 400 km ASC COUNT 5 ANY',
    'geosearchstore near geo FROMLONLAT 15 37 BYRADIUS 200 km STOREDIST',
  ],
};

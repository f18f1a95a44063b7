/** The data types over one engine: they share the record loaded last, so one set serves one engine. */
import { Cursors } from './cursors.ts';
import type { Engine } from './engine.ts';
import { Hashes } from './hashes.ts';
import { KeyScan } from './key-scan.ts';
import { Keyspace } from './keyspace.ts';
import { Records } from './records.ts';
import { Strings } from './strings.ts';

export interface DataTypes {
  readonly engine: Engine;
  readonly records: Records;
  readonly strings: Strings;
  readonly hashes: Hashes;
  readonly keyspace: Keyspace;
  readonly scan: KeyScan;
  readonly cursors: Cursors;
}

export function dataTypes(engine: Engine): DataTypes {
  const records = new Records(engine);
  return {
    engine,
    records,
    strings: new Strings(records),
    hashes: new Hashes(records),
    keyspace: new Keyspace(records),
    scan: new KeyScan(engine),
    cursors: new Cursors(engine.random),
  };
}

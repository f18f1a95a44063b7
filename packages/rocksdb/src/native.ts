/**
 * Loads the addon that tools/setup.sh compiles. Its classes are the `Database`, `BlockIterator`, `WalTail` and
 * `Snapshot` of types.ts as they are: there is no wrapper between a caller and the native method.
 */
import { createRequire } from 'node:module';
import { RocksError } from './errors.ts';
import type { RocksdbModule } from './types.ts';

interface Addon extends RocksdbModule {
  setErrorClass(errorClass: typeof RocksError): void;
  /** Asks running compactions to end, as the process does. */
  leave(): void;
}

function load(): Addon {
  const require = createRequire(import.meta.url);
  let addon: Addon;
  try {
    addon = require('../build/Release/rocksdb.node') as Addon;
  } catch (cause) {
    throw new Error('the native addon of packages/rocksdb cannot be loaded; run `make build`', { cause });
  }
  addon.setErrorClass(RocksError);
  // Node's exit waits for work on its worker threads; a compaction could keep it for minutes.
  process.once('exit', () => addon.leave());
  return addon;
}

export const addon: RocksdbModule = load();

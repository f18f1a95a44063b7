/** The entry points of the binding; everything else hangs on the Database that `open` resolves to. */
import { addon } from './native.ts';
import type { BlockReads, BuildInfo, Database, OpenOptions, ThreadProfile } from './types.ts';

/**
 * Opens a database on a worker thread.
 * @throws RocksError (as a rejection), e.g. ROCKS_LOCKED when another process, or this one, has it open; ROCKS_ARGUMENT
 *   naming an option that RocksDB does not know; ROCKS_CORRUPTION when a listed family has another id than its place.
 */
export function open(options: OpenOptions): Promise<Database> {
  return addon.open(options);
}

/** Removes a closed database's files; a directory without one is left as it is. @throws RocksError ROCKS_LOCKED. */
export function destroy(path: string): Promise<void> {
  return addon.destroy(path);
}

/** Version of the RocksDB that is loaded, and how it was built. */
export function buildInfo(): BuildInfo {
  return addon.buildInfo();
}

/** What reads found in the block cache and what they did not, of all databases of this thread's environment. */
export function blockReads(): BlockReads {
  return addon.blockReads();
}

/**
 * Copies `from` without what lies between each begin and end in `gaps` (by turns, ascending) to the beginning of `into`, in one
 * native call for all pieces.
 * @param into as long as `from` at least.
 * @returns how many bytes.
 * @throws RocksError ROCKS_ARGUMENT.
 */
export function copyWithout(from: Uint8Array, gaps: Uint32Array, into: Uint8Array): number {
  return addon.copyWithout(from, gaps, into);
}

/** From now on RocksDB counts and times what this thread does; it costs on every operation, and `endProfile` ends it. */
export function beginProfile(): void {
  addon.beginProfile();
}

export function endProfile(): ThreadProfile {
  return addon.endProfile();
}

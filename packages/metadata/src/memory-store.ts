/** A store without durability, for tests and the simulator: what it holds is gone with the process. */
import type { Keyspace } from './keyspace.ts';
import { emptyKeyspace } from './keyspace.ts';
import type { MetadataStore } from './metadata-store.ts';
import { SerialStore } from './serial-store.ts';

/** The content that outlives a memory store, so that a test can close one and open the next on the same content. */
export interface MemoryContent {
  keyspace: Keyspace;
}

export function emptyMemory(): MemoryContent {
  return { keyspace: emptyKeyspace };
}

/** Opens a store on `content`, which it keeps up to date. */
export function openMemoryStore(content: MemoryContent = emptyMemory()): MetadataStore {
  return new SerialStore({
    name: 'memory',
    initial: content.keyspace,
    persist: async (next: Keyspace): Promise<void> => void (content.keyspace = next),
    release: () => undefined,
  });
}

import { emptyMemory, metadataStoreSuite, openMemoryStore } from './testing/index.ts';

metadataStoreSuite({
  name: 'memory',
  create: async () => {
    const content = emptyMemory();
    return { open: async () => openMemoryStore(content) };
  },
});

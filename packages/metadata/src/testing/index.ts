export { emptyMemory, openMemoryStore, type MemoryContent } from '../memory-store.ts';
export { metadataStoreSuite, type StoreFactory } from './suite.ts';

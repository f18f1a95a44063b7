export { infoText } from './info-text.ts';
export type {
  ClientsFacts,
  CommandFacts,
  InfoFacts,
  KeyspaceFacts,
  LatencyPercentiles,
  MemoryFacts,
  PersistenceFacts,
  RocksdbFacts,
  RocksdbFigure,
  ServerFacts,
  StatsFacts,
} from './info-facts.ts';
export { rocksdbFigures, rocksdbMemory } from './rocksdb-figures.ts';
export { Rate } from './rate.ts';

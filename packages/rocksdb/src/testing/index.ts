export {
  batchBuilder,
  decodeBatches,
  decodeBlock,
  decodeValues,
  keysOf,
  letters,
  packKeys,
  recordOf,
  writeNow,
  type BatchBuilder,
} from './batches.ts';
export { logFile } from './logs.ts';
export { kvrocksFamilies, openOptions, openScratch, scratchDirectory, unpackFixture } from './scratch.ts';

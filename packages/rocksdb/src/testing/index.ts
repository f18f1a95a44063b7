export { batchBuilder, decodeBlock, type BatchBuilder } from './batches.ts';

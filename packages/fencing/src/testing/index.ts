export { logIdOf, nodeIdOf, processIdOf, shardMessage } from './samples.ts';

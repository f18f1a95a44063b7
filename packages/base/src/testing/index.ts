/** A clock and timers that move only when a test says so, and a pair of connected in-memory transports. */
export { VirtualTime } from './virtual-time.ts';
export { transportPair } from './transport-pair.ts';

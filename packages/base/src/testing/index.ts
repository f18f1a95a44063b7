/** A clock and timers that move only when a test says so, a pair of connected in-memory transports, ports for servers. */
export { VirtualTime } from './virtual-time.ts';
export { transportPair } from './transport-pair.ts';
export { freePort, freePorts } from './free-ports.ts';

export { assert, unreachable, InvariantError } from './assert.ts';
export type { Clock, Timer, Timers } from './clock.ts';
export { FatalError, OperationError, ProtocolError, messageOf, type Outcome } from './errors.ts';
export { silentLogger, type LogFields, type Logger } from './logger.ts';
export { randomBelow, randomText, seededRandom, type Random } from './random.ts';
export {
  formatEndpoint,
  type ClientTransport,
  type Connector,
  type Endpoint,
  type Transport,
  type TransportEvents,
} from './transport.ts';

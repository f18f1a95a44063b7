export { replaceFileDurably, syncDirectory } from './durable-file.ts';
export { bootId, dieWithParent, leaseClockMs, lockFile, peerEnded, sendLast } from './os.ts';
export { jsonLogger, type JsonLogger, type JsonLoggerOptions, type LevelFile, type LogLevel } from './pino-logger.ts';
export { adoptSocket } from './native-streams.ts';
export { clientTransport, endWith, fdOf, socketTransport, tcpConnector } from './tcp.ts';
export { tlsConnector } from './tls.ts';
export { realClock, realRandom, realTimers } from './time.ts';

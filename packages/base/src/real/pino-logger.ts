import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino';
import type { LogFields, Logger } from '../logger.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

function wrap(inner: PinoLogger): Logger {
  return {
    debug: (message, fields) => inner.debug(fields ?? {}, message),
    info: (message, fields) => inner.info(fields ?? {}, message),
    warn: (message, fields) => inner.warn(fields ?? {}, message),
    error: (message, fields) => inner.error(fields ?? {}, message),
    child: (fields: LogFields): Logger => wrap(inner.child(fields)),
  };
}

/**
 * JSON lines, one per event, with an ISO time. `destination` is a path or a stream; lines are written synchronously,
 * so that the last one before a crash is there.
 */
export function jsonLogger(options: {
  level: LogLevel;
  name: string;
  destination: string | DestinationStream;
}): Logger {
  const { destination } = options;
  const stream =
    typeof destination === 'string' ? pino.destination({ dest: destination, mkdir: true, sync: true }) : destination;
  const settings = {
    level: options.level,
    base: { name: options.name, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string): { level: string } => ({ level: label }) },
  };
  return wrap(pino(settings, stream));
}

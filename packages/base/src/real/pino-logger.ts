import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino';
import type { LogFields, Logger } from '../logger.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface JsonLogger extends Logger {
  /** From now on; children made before keep theirs. */
  setLevel(level: LogLevel): void;
}

function wrap(inner: PinoLogger): JsonLogger {
  return {
    debug: (message, fields) => inner.debug(fields ?? {}, message),
    info: (message, fields) => inner.info(fields ?? {}, message),
    warn: (message, fields) => inner.warn(fields ?? {}, message),
    error: (message, fields) => inner.error(fields ?? {}, message),
    child: (fields: LogFields): Logger => wrap(inner.child(fields)),
    setLevel: (level): void => void (inner.level = level),
  };
}

const stdout = 1;

/** `stdout`, or a path whose folder is created when absent. */
function open(destination: string): DestinationStream {
  return pino.destination({ dest: destination === 'stdout' ? stdout : destination, mkdir: true, sync: true });
}

export interface JsonLoggerOptions {
  readonly level: LogLevel;
  readonly name: string;
  /** `stdout`, a path, several of them, or a stream. */
  readonly destination: string | readonly string[] | DestinationStream;
}

/** JSON lines, one per event, with an ISO time; written synchronously, so that the last one before a crash is there. */
export function jsonLogger({ level, name, destination }: JsonLoggerOptions): JsonLogger {
  const settings = {
    level,
    base: { name, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string): { level: string } => ({ level: label }) },
  };
  if (typeof destination === 'string') return wrap(pino(settings, open(destination)));
  if ('write' in destination) return wrap(pino(settings, destination));
  // Levels are the logger's business: each stream takes everything that reaches it.
  const streams = destination.map((one) => ({ level: 'trace' as const, stream: open(one) }));
  return wrap(pino(settings, pino.multistream(streams)));
}

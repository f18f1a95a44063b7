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

/** A file that takes messages of a level and above; it is made when the first of them comes. */
export interface LevelFile {
  readonly level: LogLevel;
  /** Its folder is created when absent. */
  readonly path: string;
  /** It is there. */
  made?(): void;
}

type Place = string | LevelFile;

const stdout = 1;

/** `stdout`, or a path whose folder is created when absent. */
function open(destination: string): DestinationStream {
  return pino.destination({ dest: destination === 'stdout' ? stdout : destination, mkdir: true, sync: true });
}

function openAtFirst(file: LevelFile): DestinationStream {
  let stream: DestinationStream | undefined;
  return {
    write: (line): void => {
      if (stream === undefined) {
        stream = open(file.path);
        file.made?.();
      }
      stream.write(line);
    },
  };
}

export interface JsonLoggerOptions {
  readonly level: LogLevel;
  readonly name: string;
  /** `stdout`, a path, several of them and of files by level, or a stream. */
  readonly destination: string | readonly Place[] | DestinationStream;
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
  // Levels are the logger's business: a stream without its own takes everything that reaches it.
  const streams = destination.map((one) =>
    typeof one === 'string'
      ? { level: 'trace' as const, stream: open(one) }
      : { level: one.level, stream: openAtFirst(one) },
  );
  return wrap(pino(settings, pino.multistream(streams)));
}

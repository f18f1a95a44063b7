/**
 * A data node as a process, under both of its names: `holdfast server` and `holdfast-server`, the latter a drop-in for
 * the `kvrocks` binary (same flags, same places for logs and pid file, same exit statuses).
 */
import { readFileSync } from 'node:fs';
import { FatalError, messageOf } from '@holdfast/base';
import { jsonLogger, type JsonLogger, type LevelFile, type LogLevel } from '@holdfast/base/real';
import {
  Config,
  formatConfigError,
  formatConfigProblem,
  parseCommandLine,
  parseConfig,
  startNode,
  usageText,
  versionText,
  type CommandLine,
  type Settings,
} from '@holdfast/node/real';
import { untilSignal } from '../until-signal.ts';
import { keepRemoving, logFiles } from './log-files.ts';

type RunLine = Extract<CommandLine, { kind: 'run' }>;

/** Kvrocks' levels; there is nothing above our errors, so `fatal` shows those too. */
function logLevel(word: string): LogLevel {
  if (word === 'warning') return 'warn';
  return word === 'debug' || word === 'info' ? word : 'error';
}

/** Folders and streams named by `log-dir`. */
function logPlaces(logDir: string): string[] {
  return logDir
    .split(',')
    .map((place) => place.trim())
    .filter((place) => place !== '');
}

function readSettings(line: RunLine): Settings {
  const { configFile, overrides } = line;
  if (configFile === undefined) return parseConfig({ overrides });
  const fileName = configFile === '-' ? 'standard input' : configFile;
  const text = readFileSync(configFile === '-' ? 0 : configFile, 'utf8');
  return parseConfig({ text, fileName, overrides });
}

function openLog(config: Config, places: readonly string[]): JsonLogger {
  const logger = jsonLogger({
    name: 'node',
    level: logLevel(config.get('log-level')),
    destination: places.flatMap<string | LevelFile>((place) => (place === 'stdout' ? [place] : logFiles(place))),
  });
  config.onChange('log-level', (word) => logger.setLevel(logLevel(word)));
  return logger;
}

/** Runs until SIGTERM, SIGINT or SHUTDOWN. */
async function run(line: RunLine, settings: Settings): Promise<number> {
  const config = new Config(settings);
  const places = logPlaces(config.get('log-dir'));
  const logger = openLog(config, places);
  const oldLogs = keepRemoving(
    places.filter((place) => place !== 'stdout'),
    () => config.get('log-retention-days'),
    (error) => logger.warn('old log files cannot be removed', { error: messageOf(error) }),
  );
  try {
    let exit: (status: number) => void = () => undefined;
    const exited = new Promise<number>((resolve) => (exit = resolve));
    const node = await startNode(config, logger, {
      configFile: line.configFile === '-' ? undefined : line.configFile,
      exit: (status, reason): void => {
        logger.info('ending', { reason, status });
        exit(status);
      },
    });
    const status = await Promise.race([untilSignal().then(() => 0), exited]);
    await node.stop();
    return status;
  } finally {
    oldLogs.cancel();
  }
}

/**
 * @param program the name to print in the usage.
 * @returns the exit status: 0 ended cleanly, 1 could not start or could not go on.
 */
export async function runServer(program: string, args: readonly string[]): Promise<number> {
  const line = parseCommandLine(args);
  if (line.kind === 'version') process.stdout.write(`${versionText}\n`);
  else if (line.kind === 'help') process.stdout.write(usageText(program));
  else if (line.kind === 'usage') {
    process.stderr.write(`${program}: ${line.problem}\n${usageText(program)}`);
    return 1;
  } else return await start(program, line);
  return 0;
}

async function start(program: string, line: RunLine): Promise<number> {
  try {
    const settings = readSettings(line);
    for (const error of settings.errors) process.stdout.write(`${formatConfigError(error)}\n`);
    if (settings.errors.length > 0) return 1;
    for (const warning of settings.warnings) process.stdout.write(`Warning: ${formatConfigProblem(warning)}\n`);
    if (line.configFile === undefined) {
      process.stdout.write(`Warning: no config file specified, using the default config. Use -c to name one.\n`);
    }
    return await run(line, settings);
  } catch (error) {
    const isSystemError = error instanceof Error && 'code' in error;
    if (!(error instanceof FatalError) && !isSystemError) throw error;
    process.stderr.write(`${program}: ${messageOf(error)}\n`);
    return error instanceof FatalError ? error.exitStatus : 1;
  }
}

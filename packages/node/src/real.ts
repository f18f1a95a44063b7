/** The node on the real machine: what the commands `holdfast server` and `holdfast-server` start. */
import { readFileSync } from 'node:fs';
import { messageOf, type Logger } from '@holdfast/base';
import { realClock, realRandom, realTimers, replaceFileDurably, tcpConnector } from '@holdfast/base/real';
import { rewriteConfig, type Config } from './config/index.ts';
import { holdfastVersion, kvrocksVersion } from './info/versions.ts';
import { removePidFile, writePidFile } from './net/files.ts';
import { nodeRim } from './net/node-rim.ts';
import { Node } from './node.ts';

export interface RunningNode {
  /** Ends cleanly: clients closed after their replies, WAL synced, pid file removed. */
  stop(): Promise<void>;
}

export interface StartOptions {
  /** The kvrocks.conf that was read; undefined without one, or when it came from standard input. */
  readonly configFile: string | undefined;
  /** The node must end by itself: SHUTDOWN, or no database can be opened. */
  exit(status: number, reason: string): void;
}

function rewriteFile(config: Config, path: string | undefined): string | undefined {
  if (path === undefined) return 'ERR the server is running without a config file';
  try {
    replaceFileDurably(path, rewriteConfig(readFileSync(path, 'utf8'), config));
    return undefined;
  } catch (error) {
    return `ERR Rewriting config file: ${messageOf(error)}`;
  }
}

/**
 * Starts a node in this process.
 * @throws FatalError naming what stands in the way.
 */
export async function startNode(
  config: Config,
  logger: Logger,
  { configFile, exit }: StartOptions,
): Promise<RunningNode> {
  const rim = nodeRim(config.get('dir'), realTimers);
  const node = await Node.start({
    config,
    clock: realClock,
    timers: realTimers,
    random: realRandom,
    connector: tcpConnector,
    logger,
    rim,
    configFile,
    rewriteConfiguration: (answer) => answer(rewriteFile(config, configFile)),
    exit: (status, reason) => exit(status, reason),
  });
  const pidFile = config.get('pidfile');
  writePidFile(pidFile);
  return {
    stop: async (): Promise<void> => {
      await node.stop();
      removePidFile(pidFile);
    },
  };
}

export {
  Config,
  formatConfigError,
  formatConfigProblem,
  parseCommandLine,
  parseConfig,
  usageText,
  type CommandLine,
  type Settings,
} from './config/index.ts';

/** What `-v` prints. */
export const versionText: string = `holdfast ${holdfastVersion} (compatible with kvrocks ${kvrocksVersion})`;

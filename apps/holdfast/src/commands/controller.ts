/** `holdfast controller`: a controller as a process. Logs JSON lines to stdout. */
import { Command } from 'commander';
import { messageOf } from '@holdfast/base';
import { jsonLogger, type LogLevel } from '@holdfast/base/real';
import { startController } from '@holdfast/controller/real';
import { exitStatus } from '../command-module.ts';
import { fenceList, oneOf, port, wholeNumber, type Fence } from '../option-values.ts';
import { untilSignal } from '../until-signal.ts';

interface ControllerOptions {
  readonly dir: string;
  readonly bind: string;
  readonly port: number;
  readonly leaseMs: number;
  readonly fences: readonly Fence[];
  readonly balancerUrl?: string;
  readonly balancerTokenFile?: string;
  readonly logLevel: LogLevel;
}

function command(): Command {
  return new Command('holdfast controller')
    .description('Watches nodes, grants leases, changes masters, moves addresses; answers REST.')
    .requiredOption('--dir <path>', 'where the metadata store is kept; created when absent')
    .option('--bind <address>', 'address of the REST API', '127.0.0.1')
    .option('--port <port>', 'port of the REST API', port, 9379)
    .option(
      '--lease-ms <ms>',
      'length of a write lease, for clusters created from now on',
      wholeNumber(200, 60_000),
      1000,
    )
    .option('--fences <list>', 'lb,lease or lb or lease or none', fenceList, ['lb', 'lease'])
    .option('--balancer-url <url>', 'control port of the embedded balancer; without it bindings are only stored')
    .option('--balancer-token-file <path>', 'its bearer token')
    .option('--log-level <level>', 'debug, info, warn or error', oneOf('debug', 'info', 'warn', 'error'), 'info')
    .exitOverride();
}

export async function run(args: readonly string[]): Promise<number> {
  const parser = command();
  const options = parser.parse([...args], { from: 'user' }).opts<ControllerOptions>();
  const { dir, bind, port: apiPort, leaseMs, fences, balancerUrl, balancerTokenFile } = options;
  if ((balancerUrl === undefined) !== (balancerTokenFile === undefined))
    parser.error('error: --balancer-url and --balancer-token-file belong together');
  const logger = jsonLogger({ level: options.logLevel, name: 'controller', destination: 'stdout' });
  const ended = untilSignal();
  const controller = await startController({
    directory: dir,
    bind,
    port: apiPort,
    leaseMs,
    fences,
    balancer:
      balancerUrl === undefined || balancerTokenFile === undefined
        ? undefined
        : { url: balancerUrl, tokenFile: balancerTokenFile },
    logger,
  });
  try {
    logger.info('stopping', { signal: await Promise.race([ended, controller.failed]) });
  } catch (error) {
    // Its store may not say what it decided last: the next process reads it anew.
    logger.error('the controller cannot go on', { reason: messageOf(error) });
    process.exit(exitStatus.failed);
  }
  await controller.close();
  return exitStatus.ok;
}

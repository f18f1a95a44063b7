/** `holdfast lb`: the embedded load balancer as a process. Logs JSON lines to stdout. */
import { Command } from 'commander';
import { formatEndpoint } from '@holdfast/base';
import { jsonLogger, type LogLevel } from '@holdfast/base/real';
import { startBalancer } from '@holdfast/balancer/real';
import { exitStatus } from '../command-module.ts';
import { oneOf, port, wholeNumber } from '../option-values.ts';
import { untilSignal } from '../until-signal.ts';

interface LbOptions {
  readonly dir: string;
  readonly controlPort: number;
  readonly controlBind: string;
  readonly tokenFile: string;
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  readonly connectTimeoutMs: number;
  readonly logLevel: LogLevel;
}

function command(): Command {
  return new Command('holdfast lb')
    .description('Serves stable addresses and leads each to the node that the controller names.')
    .requiredOption('--dir <path>', 'where the bindings are kept; created when absent')
    .requiredOption('--control-port <port>', 'HTTP port for the controller', port)
    .requiredOption('--token-file <path>', 'bearer token of the control port; created with mode 0600 when absent')
    .option('--control-bind <address>', 'address of the control port', '127.0.0.1')
    .option('--max-connections <n>', 'proxied connections of all addresses', wholeNumber(1, 1_000_000), 20_000)
    .option('--max-connections-per-address <n>', 'of one address', wholeNumber(1, 1_000_000), 10_000)
    .option('--connect-timeout-ms <ms>', 'how long a backend may take to accept', wholeNumber(1, 60_000), 1_000)
    .option('--log-level <level>', 'debug, info, warn or error', oneOf('debug', 'info', 'warn', 'error'), 'info')
    .exitOverride();
}

export async function run(args: readonly string[]): Promise<number> {
  const options = command()
    .parse([...args], { from: 'user' })
    .opts<LbOptions>();
  const logger = jsonLogger({ level: options.logLevel, name: 'lb', destination: 'stdout' });
  const ended = untilSignal();
  const balancer = await startBalancer({
    directory: options.dir,
    controlHost: options.controlBind,
    controlPort: options.controlPort,
    tokenFile: options.tokenFile,
    limits: {
      connectionsMax: options.maxConnections,
      connectionsPerAddressMax: options.maxConnectionsPerAddress,
      connectTimeoutMs: options.connectTimeoutMs,
    },
    logger,
  });
  const control = formatEndpoint({ host: options.controlBind, port: balancer.controlPort });
  logger.info('stopping', { signal: await ended, control });
  await balancer.close();
  return exitStatus.ok;
}

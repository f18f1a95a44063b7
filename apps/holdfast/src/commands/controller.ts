/** `holdfast controller`: a controller as a process. Logs JSON lines to stdout. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { FatalError, messageOf } from '@holdfast/base';
import { jsonLogger, type LogLevel } from '@holdfast/base/real';
import { startController, type EtcdCredentials, type EtcdTlsFiles, type StoreChoice } from '@holdfast/controller/real';
import { exitStatus } from '../command-module.ts';
import {
  apiUrl,
  etcdEndpoints,
  fenceList,
  oneOf,
  port,
  replicationOf,
  wholeNumber,
  type Fence,
  type Replication,
} from '../option-values.ts';
import { untilSignal } from '../until-signal.ts';

interface ControllerOptions {
  readonly dir: string;
  readonly store: 'embedded' | 'etcd';
  readonly etcdEndpoints?: readonly string[];
  readonly etcdPrefix: string;
  readonly etcdUser?: string;
  readonly etcdPasswordFile?: string;
  readonly etcdCa?: string;
  readonly etcdCert?: string;
  readonly etcdKey?: string;
  readonly bind: string;
  readonly port: number;
  readonly advertise?: string;
  readonly leaseMs: number;
  readonly fences?: readonly Fence[];
  readonly replication?: Replication;
  readonly unsafeForDrills: boolean;
  readonly balancerUrl?: string;
  readonly balancerTokenFile?: string;
  readonly logLevel: LogLevel;
}

function command(): Command {
  return new Command('holdfast controller')
    .description('Watches nodes, grants leases, changes masters, moves addresses; answers REST.')
    .requiredOption('--dir <path>', "where the controller's id and an embedded store are kept; created when absent")
    .option(
      '--store <kind>',
      'embedded (the only controller) or etcd (one of several)',
      oneOf('embedded', 'etcd'),
      'embedded',
    )
    .option('--etcd-endpoints <urls>', 'http://host:port or https://host:port of each etcd member', etcdEndpoints)
    .option(
      '--etcd-prefix <path>',
      'begins every key in etcd; controllers with one prefix belong together',
      '/holdfast',
    )
    .option('--etcd-user <name>', 'user at etcd')
    .option('--etcd-password-file <path>', 'its password, in the first line')
    .option('--etcd-ca <path>', "PEM of etcd's authority; without it the system's count")
    .option('--etcd-cert <path>', 'PEM of the client certificate for etcd')
    .option('--etcd-key <path>', 'PEM of its key')
    .option('--bind <address>', 'address of the REST API', '127.0.0.1')
    .option('--port <port>', 'port of the REST API', port, 9379)
    .option(
      '--advertise <url>',
      'where clients of other controllers reach this API (default: --bind and --port)',
      apiUrl,
    )
    .option(
      '--lease-ms <ms>',
      'length of a write lease, for clusters created from now on',
      wholeNumber(200, 60_000),
      1000,
    )
    .option('--fences <list>', 'of lb, lease and sync, or none (default: lb,lease,sync)', fenceList)
    .option('--replication <mode>', 'sync or async, for clusters created from now on', oneOf('sync', 'async'))
    .option('--unsafe-for-drills', 'allow --fences sync without lease: replaced masters go on to answer reads', false)
    .option('--balancer-url <url>', 'control port of the embedded balancer; without it bindings are only stored')
    .option('--balancer-token-file <path>', 'its bearer token')
    .option('--log-level <level>', 'debug, info, warn or error', oneOf('debug', 'info', 'warn', 'error'), 'info')
    .exitOverride();
}

export async function run(args: readonly string[]): Promise<number> {
  const parser = command();
  const options = parser.parse([...args], { from: 'user' }).opts<ControllerOptions>();
  const { dir, bind, port: apiPort, leaseMs, balancerUrl, balancerTokenFile } = options;
  if ((balancerUrl === undefined) !== (balancerTokenFile === undefined))
    parser.error('error: --balancer-url and --balancer-token-file belong together');
  const { fences, replication } = replicationOf(
    options.fences,
    options.replication,
    (reason) => parser.error(reason),
    options.unsafeForDrills,
  );
  const logger = jsonLogger({ level: options.logLevel, name: 'controller', destination: 'stdout' });
  const ended = untilSignal();
  const controller = await startController({
    directory: dir,
    store: storeChoice(options, (reason) => parser.error(reason)),
    bind,
    port: apiPort,
    advertise: options.advertise,
    leaseMs,
    fences,
    replication,
    isForDrills: options.unsafeForDrills,
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

function storeChoice(options: ControllerOptions, refuse: (reason: string) => never): StoreChoice {
  const { store, etcdEndpoints: endpoints, etcdPrefix: prefix } = options;
  if (store === 'embedded') {
    if (endpoints !== undefined) return refuse('error: --etcd-endpoints needs --store etcd');
    return { kind: 'embedded' };
  }
  if (endpoints === undefined) return refuse('error: --store etcd needs --etcd-endpoints');
  const { etcdUser: user, etcdPasswordFile: passwordFile } = options;
  if ((user === undefined) !== (passwordFile === undefined))
    return refuse('error: --etcd-user and --etcd-password-file belong together');
  const schemes = new Set(endpoints.map((url) => new URL(url).protocol));
  if (schemes.size > 1) return refuse('error: --etcd-endpoints are all http or all https');
  const tls = tlsFiles(options);
  if (tls !== undefined && !schemes.has('https:'))
    return refuse('error: --etcd-ca, -cert and -key need https endpoints');
  return {
    kind: 'etcd',
    endpoints: endpoints.map((url) => new URL(url).host),
    prefix,
    ...(schemes.has('https:') ? { tls: tls ?? {} } : {}),
    ...(user === undefined || passwordFile === undefined ? {} : { credentials: credentials(user, passwordFile) }),
  };
}

function tlsFiles({
  etcdCa: caFile,
  etcdCert: certFile,
  etcdKey: keyFile,
}: ControllerOptions): EtcdTlsFiles | undefined {
  if (caFile === undefined && certFile === undefined && keyFile === undefined) return undefined;
  return {
    ...(caFile === undefined ? {} : { caFile }),
    ...(certFile === undefined ? {} : { certFile }),
    ...(keyFile === undefined ? {} : { keyFile }),
  };
}

function credentials(user: string, passwordFile: string): EtcdCredentials {
  try {
    return { user, password: readFileSync(passwordFile, 'utf8').split('\n')[0]?.trimEnd() ?? '' };
  } catch (error) {
    throw new FatalError(`cannot read ${passwordFile}: ${messageOf(error)}`, exitStatus.environment, error);
  }
}

/** The controller in the real world: its store, TCP links, the embedded balancer's control face, HTTP. */
import { closeSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FatalError, formatEndpoint, messageOf, OperationError, type Logger } from '@holdfast/base';
import { lockFile, realClock, realRandom, realTimers, replaceFileDurably, tcpConnector } from '@holdfast/base/real';
import { embeddedDriver, readToken } from '@holdfast/balancer/real';
import { checkTimes, fenceTimes, isRandomId, leaseUseOf, makeRandomId } from '@holdfast/fencing';
import type { MetadataStore } from '@holdfast/metadata';
import { openEmbeddedStore, openEtcdStore, type EtcdCredentials, type EtcdTlsFiles } from '@holdfast/metadata/real';
import { Controller, type ControllerEnv, type ControllerSettings } from './controller.ts';
import { startHttpServer } from './http/http-server.ts';
import type { Fence, Replication } from './records.ts';

export type { EtcdCredentials, EtcdTlsFiles } from '@holdfast/metadata/real';

export type StoreChoice =
  | { readonly kind: 'embedded' }
  | {
      readonly kind: 'etcd';
      /** `host:port` of each member. */
      readonly endpoints: readonly string[];
      readonly prefix: string;
      readonly tls?: EtcdTlsFiles;
      readonly credentials?: EtcdCredentials;
    };

export interface ControllerOptions {
  /** Holds the controller's id and, where it is embedded, the metadata store; created when absent. */
  readonly directory: string;
  readonly store: StoreChoice;
  readonly bind: string;
  /** 0: any free one. */
  readonly port: number;
  /** URL at which other controllers' clients reach the API; undefined: made of `bind` and `port`. */
  readonly advertise: string | undefined;
  readonly leaseMs: number;
  readonly fences: readonly Fence[];
  /** Lets synchronous replication go without the lease fence, so that a drill can show what that breaks. */
  readonly isForDrills?: boolean | undefined;
  readonly replication: Replication;
  /** Undefined: there is no balancer. */
  readonly balancer: { readonly url: string; readonly tokenFile: string } | undefined;
  readonly logger: Logger;
}

export interface RunningController {
  readonly port: number;
  /** Rejects when the controller cannot go on; resolves never. */
  readonly failed: Promise<never>;
  close(): Promise<void>;
}

/** The least that etcd grants with its own default settings: how long a dead leader is believed to live. */
const etcdLeaseTtlMs = 2000;
/** Between two attempts to reach a store that was not there at the start. */
const storeRetryMs = 500;

/**
 * Starts a controller. An etcd that does not answer is waited for.
 * @throws FatalError: settings that contradict each other (2), the store is in use or damaged, the port is taken (3).
 */
export async function startController(options: ControllerOptions): Promise<RunningController> {
  const { directory, bind, port, leaseMs, fences, replication, isForDrills, logger } = options;
  checkOptions(options);
  const lock = lockDirectory(directory);
  try {
    const id = ownId(directory);
    const store = await openStore(options);
    const address = options.advertise ?? `http://${formatEndpoint({ host: bind, port })}`;
    const self = { id, address, isShared: options.store.kind === 'etcd' };
    const controller = await startOnStore(envOf(options, store), { self, leaseMs, fences, replication, isForDrills });
    if (isForDrills === true)
      logger.warn('for drills only: synchronous replication may go without the lease fence here', {
        fences: fences.join(','),
      });
    const served = await serve(controller, options);
    logger.info('the controller is ready', {
      id,
      bind,
      port: served.port,
      leaseMs,
      fences: fences.join(',') || 'none',
    });
    return {
      ...served,
      close: async (): Promise<void> => {
        await served.close();
        closeSync(lock);
      },
    };
  } catch (error) {
    closeSync(lock);
    throw error;
  }
}

function checkOptions(options: ControllerOptions): void {
  const { leaseMs, fences, replication, isForDrills, store, port, advertise } = options;
  const wrong = checkTimes(fenceTimes({ leaseMs }));
  if (leaseUseOf(fences, replication) === 'unawaited' && isForDrills !== true)
    wrong.push('synchronous replication needs the lease fence: without it a replaced master goes on to answer reads');
  if (store.kind === 'etcd' && port === 0 && advertise === undefined)
    wrong.push('several controllers need a port, or an address to advertise');
  if (wrong.length > 0) throw new FatalError(wrong.join('; '), 2);
}

/** Two processes with one id would count as one controller and promise for each other. */
function lockDirectory(directory: string): number {
  try {
    mkdirSync(directory, { recursive: true });
    return lockFile(join(directory, 'controller.lock'));
  } catch (error) {
    const isLocked = error instanceof OperationError && error.code === 'OS_LOCKED';
    const message = isLocked
      ? `${directory} is in use by another controller; stop it or choose another --dir`
      : `cannot use ${directory}: ${messageOf(error)}`;
    throw new FatalError(message, 3, error);
  }
}

/** Random, and kept for good: promises and answers are remembered under it. */
function ownId(directory: string): string {
  const path = join(directory, 'controller-id');
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    text = makeRandomId(realRandom);
    replaceFileDurably(path, `${text}\n`);
  }
  if (!isRandomId(text)) throw new FatalError(`${path} does not hold a controller id; restore it or remove it`, 3);
  return text;
}

function openStore({ directory, store, logger }: ControllerOptions): Promise<MetadataStore> {
  if (store.kind === 'embedded') return openEmbeddedStore({ directory: join(directory, 'metadata') });
  const { endpoints, prefix, tls, credentials } = store;
  return openEtcdStore({
    endpoints,
    prefix,
    leaseTtlMs: etcdLeaseTtlMs,
    ...(tls === undefined ? {} : { tls }),
    ...(credentials === undefined ? {} : { credentials }),
    clock: realClock,
    timers: realTimers,
    logger,
  });
}

function envOf({ balancer, logger }: ControllerOptions, store: MetadataStore): ControllerEnv {
  const driver =
    balancer === undefined
      ? undefined
      : embeddedDriver({ url: balancer.url, token: () => readToken(balancer.tokenFile) });
  return {
    clock: realClock,
    timers: realTimers,
    random: realRandom,
    connector: tcpConnector,
    logger,
    store,
    balancer: driver,
  };
}

async function startOnStore(env: ControllerEnv, settings: ControllerSettings): Promise<Controller> {
  for (;;) {
    try {
      return await Controller.open(env, settings);
    } catch (error) {
      if (!settings.self.isShared || !(error instanceof OperationError)) {
        await env.store.close();
        throw error;
      }
      env.logger.warn('the store does not answer yet', { reason: error.message });
    }
    await new Promise<void>((resolve) => realTimers.after(storeRetryMs, resolve));
  }
}

async function serve(controller: Controller, { bind, port }: ControllerOptions): Promise<RunningController> {
  let fail: (error: unknown) => void = () => undefined;
  const httpFailed = new Promise<never>((_, reject) => (fail = reject));
  const failed = Promise.race([controller.failed, httpFailed]);
  failed.catch(() => undefined);
  try {
    // Before it leads: whoever follows sends writes here from that moment on.
    const http = await startHttpServer({ host: bind, port, call: (call) => controller.call(call), onFailure: fail });
    await controller.join();
    return {
      port: http.port,
      failed,
      close: async (): Promise<void> => {
        await http.close();
        await controller.close();
      },
    };
  } catch (error) {
    await controller.close();
    throw error;
  }
}

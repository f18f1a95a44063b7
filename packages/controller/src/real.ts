/** The controller in the real world: embedded store, TCP links, the embedded balancer's control face, HTTP. */
import { join } from 'node:path';
import { FatalError, type Logger } from '@holdfast/base';
import { realClock, realRandom, realTimers, tcpConnector } from '@holdfast/base/real';
import { embeddedDriver, readToken } from '@holdfast/balancer/real';
import { checkTimes, fenceTimes } from '@holdfast/fencing';
import { openEmbeddedStore } from '@holdfast/metadata/real';
import { Controller } from './controller.ts';
import { startHttpServer } from './http/http-server.ts';
import type { Fence } from './records.ts';

export interface ControllerOptions {
  /** Holds the metadata store; created when absent. */
  readonly directory: string;
  readonly bind: string;
  /** 0: any free one. */
  readonly port: number;
  readonly leaseMs: number;
  readonly fences: readonly Fence[];
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

/**
 * Starts a controller.
 * @throws FatalError: settings that contradict each other (2), the store is in use or damaged, the port is taken (3).
 */
export async function startController(options: ControllerOptions): Promise<RunningController> {
  const { directory, bind, port, leaseMs, fences, logger, balancer } = options;
  const wrong = checkTimes(fenceTimes({ leaseMs }));
  if (wrong.length > 0) throw new FatalError(wrong.join('; '), 2);
  const store = await openEmbeddedStore({ directory: join(directory, 'metadata') });
  const driver =
    balancer === undefined
      ? undefined
      : embeddedDriver({ url: balancer.url, token: () => readToken(balancer.tokenFile) });
  const env = {
    clock: realClock,
    timers: realTimers,
    random: realRandom,
    connector: tcpConnector,
    logger,
    store,
    balancer: driver,
  };
  const controller = await Controller.start(env, { leaseMs, fences });
  let fail: (error: unknown) => void = () => undefined;
  const httpFailed = new Promise<never>((_, reject) => (fail = reject));
  const failed = Promise.race([controller.failed, httpFailed]);
  failed.catch(() => undefined);
  try {
    const http = await startHttpServer({ host: bind, port, call: (call) => controller.call(call), onFailure: fail });
    logger.info('the controller is ready', { bind, port: http.port, leaseMs, fences: fences.join(',') || 'none' });
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

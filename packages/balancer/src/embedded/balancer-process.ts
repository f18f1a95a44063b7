/** `holdfast lb`: the L4 balancer and its control port, in one process with one directory. */
import { closeSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { FatalError, OperationError, formatEndpoint, messageOf, type Logger } from '@holdfast/base';
import { lockFile } from '@holdfast/base/real';
import { defaultLimits, type BalancerLimits } from '../limits.ts';
import { controlServer } from './control-server.ts';
import { L4Balancer } from './l4-balancer.ts';
import { readOrCreateToken } from './token-file.ts';

export interface BalancerOptions {
  /** Created when absent; holds `bindings.json` and `lb.lock`. */
  readonly directory: string;
  readonly controlHost: string;
  /** 0 takes a free one. */
  readonly controlPort: number;
  /** Created with mode 0600 and a random token when absent. */
  readonly tokenFile: string;
  readonly limits?: Partial<BalancerLimits>;
  readonly logger: Logger;
}

export interface RunningBalancer {
  readonly controlPort: number;
  /** Resets all connections, gives up all addresses and the control port. The bindings stay on disk. Safe to call twice. */
  close(): Promise<void>;
}

/**
 * Serves the bindings of the last run, then opens the control port.
 * @throws FatalError (exit status 3), one line: directory in use, damaged file, bad token file, control port taken.
 */
export async function startBalancer(options: BalancerOptions): Promise<RunningBalancer> {
  const { directory, controlHost, controlPort, tokenFile, logger } = options;
  const lock = lockDirectory(directory);
  let balancer: L4Balancer | undefined;
  try {
    const token = readOrCreateToken(tokenFile);
    const limits = { ...defaultLimits, ...options.limits };
    const running = await L4Balancer.start({ path: join(directory, 'bindings.json'), limits, logger });
    balancer = running;
    const server = controlServer({ balancer: running, token, logger });
    const port = await listen(server, controlHost, controlPort);
    logger.info('balancer ready', { control: formatEndpoint({ host: controlHost, port }) });
    const close = async (): Promise<void> => {
      await server.close();
      await running.close();
      closeSync(lock);
    };
    let closing: Promise<void> | undefined;
    return { controlPort: port, close: () => (closing ??= close()) };
  } catch (error) {
    await balancer?.close();
    closeSync(lock);
    throw error;
  }
}

async function listen(server: ReturnType<typeof controlServer>, host: string, port: number): Promise<number> {
  try {
    await server.listen({ host, port });
  } catch (error) {
    const taken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
    const where = `the balancer's control port ${formatEndpoint({ host, port })}`;
    throw new FatalError(taken ? `${where} is taken` : `cannot listen on ${where}: ${messageOf(error)}`, 3, error);
  }
  const address = server.server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}

function lockDirectory(directory: string): number {
  try {
    mkdirSync(directory, { recursive: true });
    return lockFile(join(directory, 'lb.lock'));
  } catch (error) {
    const locked = error instanceof OperationError && error.code === 'OS_LOCKED';
    const message = locked
      ? `${directory} is in use by another balancer`
      : `cannot use ${directory}: ${messageOf(error)}`;
    throw new FatalError(message, 3, error);
  }
}

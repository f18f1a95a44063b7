/** The control port of a cluster node: opened at the start, or why it is not. */
import { FatalError } from '@holdfast/base';
import type { Config } from '../config/index.ts';
import type { NodeReport } from '../lease/heartbeat.ts';
import type { SharedLease } from '../lease/shared-lease.ts';
import { nodePort } from '../settings.ts';
import { ControlChannel, type ControlHost } from './control-channel.ts';

export interface ControlPortEnvironment {
  readonly config: Config;
  readonly shared: SharedLease;
  readonly processId: string;
  readonly host: ControlHost;
  report(): NodeReport;
  /** An armed node without it could never renew its lease. */
  armed(): boolean;
}

const defaultOffset = 10000;

export class ControlPort {
  #channel: ControlChannel | undefined;
  #problem: string | undefined = 'is not open';

  /** Why SHARD cannot be obeyed; undefined while the port is open. */
  get problem(): string | undefined {
    return this.#problem;
  }

  get port(): number | undefined {
    return this.#channel?.port;
  }

  /**
   * Opens it, or warns why it cannot be.
   * @throws FatalError on an armed node.
   */
  async open(env: ControlPortEnvironment): Promise<void> {
    const { config } = env;
    const port = config.get('control-port') || nodePort(config) + defaultOffset;
    const binds = config.get('control-bind').length > 0 ? config.get('control-bind') : config.get('bind');
    const [host = '127.0.0.1'] = binds;
    const opened = port > 65535 ? `${port} is no port; set control-port` : await start(env, host, port);
    if (opened instanceof ControlChannel) {
      this.#channel = opened;
      this.#problem = undefined;
      config.onChange('requirepass', (password) => opened.setPassword(password));
      return;
    }
    this.#problem = `${host}:${port} cannot be listened on: ${opened}`;
    if (env.armed()) {
      throw new FatalError(`control port ${this.#problem}; an armed node needs it to renew its lease`);
    }
    env.host.logger.warn('no control port: this node cannot be armed', { reason: this.#problem });
  }

  report(report: NodeReport): void {
    this.#channel?.report(report);
  }

  async stop(): Promise<void> {
    await this.#channel?.stop();
  }
}

function start(env: ControlPortEnvironment, host: string, port: number): Promise<ControlChannel | string> {
  const { config, shared, processId } = env;
  return ControlChannel.start(
    {
      shared: shared.buffer,
      host,
      port,
      password: config.get('requirepass'),
      processId,
      stallLimitMs: config.get('stall-limit-ms'),
      report: env.report(),
    },
    env.host,
  );
}

/**
 * The main loop's side of the control thread: starts it, keeps it informed and runs what it forwards.
 *
 * Heartbeats are answered by the thread alone, so that a burst of work on the main loop does not cost the lease. What
 * changes the node (SHARD, RESIGN, SETNODES, ...) is forwarded and runs on the main loop, past the client gates: a node
 * whose lease lapsed must still hear that it was deposed.
 */
import { Worker } from 'node:worker_threads';
import { messageOf, type Logger } from '@holdfast/base';
import type { NodeReport } from '../lease/heartbeat.ts';
import type { ControlThreadData, FromControl, ToControl } from './control-protocol.ts';

export interface ControlHost {
  readonly logger: Logger;
  /** Runs one forwarded request and calls `reply` once with its RESP bytes. */
  run(args: readonly Uint8Array[], peer: string, reply: (bytes: Uint8Array) => void): void;
  /** The lease was renewed after it had lapsed. */
  renewed(): void;
  /** Somebody is in a higher epoch than this node. */
  sawEpoch(epoch: number): void;
}

export class ControlChannel {
  readonly port: number;
  readonly #worker: Worker;

  private constructor(worker: Worker, port: number) {
    this.#worker = worker;
    this.port = port;
  }

  /**
   * Starts the thread and its listener.
   * @returns the channel, or the reason why the control port cannot be listened on.
   */
  static start(data: ControlThreadData, host: ControlHost): Promise<ControlChannel | string> {
    return new Promise((resolve) => {
      const worker = new Worker(new URL('./control-thread.ts', import.meta.url), {
        workerData: data,
        execArgv: ['--disable-warning=ExperimentalWarning'],
        name: 'control',
      });
      let channel: ControlChannel | undefined;
      worker.on('message', (message: FromControl) => {
        switch (message.kind) {
          case 'listening':
            channel = new ControlChannel(worker, message.port);
            resolve(channel);
            break;
          case 'failed':
            resolve(message.reason);
            void worker.terminate();
            break;
          case 'call':
            host.run(message.args, message.peer, (bytes) => {
              worker.postMessage({ kind: 'reply', call: message.call, bytes } satisfies ToControl);
            });
            break;
          case 'renewed':
            host.renewed();
            break;
          case 'saw-epoch':
            host.sawEpoch(message.epoch);
            break;
          default:
            message satisfies never;
        }
      });
      worker.on('error', (error) => {
        host.logger.error('the control thread failed', { error: messageOf(error) });
        resolve(messageOf(error));
        // Without it no lease can be renewed; the main loop would stop serving in silence.
        if (channel !== undefined) throw error;
      });
    });
  }

  report(report: NodeReport): void {
    this.#worker.postMessage({ kind: 'report', report } satisfies ToControl);
  }

  setPassword(password: string): void {
    this.#worker.postMessage({ kind: 'password', password } satisfies ToControl);
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }
}

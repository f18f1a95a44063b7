/** Has a task done inside the network of a drill, by a process of its own at the place `clients`. */
import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { messageOf, OperationError } from '@holdfast/base';
import { receivedError, type InsidePlan, type ToInside, type ToOutside } from './messages.ts';
import { launchAt } from './network.ts';
import { endedBy, type DrillHost, type DrillTask } from './site.ts';

/** The longest that a cluster whose processes are all deaf takes to be stopped, and a little more. */
const endsWithinMs = 30_000;

/**
 * Does the task inside and returns what it returns.
 * @throws what the task throws; OperationError DRILL_INSIDE when its process ended without a word.
 */
export async function callInside<Input, Output>(
  plan: InsidePlan,
  task: DrillTask<Input, Output>,
  input: Input,
  host: DrillHost,
): Promise<Output> {
  const [file = '', ...prefix] = launchAt(plan.network, 'clients');
  const inside = fileURLToPath(new URL('./inside.ts', import.meta.url));
  const child = spawn(file, [...prefix, process.execPath, ...process.execArgv, inside], {
    // Its own group: Ctrl-C on the terminal reaches only this process, which ends the other one in order.
    detached: true,
    stdio: ['ignore', 2, 2, 'ipc'],
    serialization: 'advanced',
    env: { ...process.env, HOLDFAST_PARENT_PID: String(process.pid) },
  });
  let killing: NodeJS.Timeout | undefined;
  const abort = (): void => {
    tell(child, { kind: 'abort', reason: messageOf(endedBy(host.signal)) });
    killing = setTimeout(() => child.kill('SIGKILL'), endsWithinMs);
  };
  try {
    const ended = outcomeOf<Output>(child, host);
    const { module, name } = task;
    tell(child, { kind: 'begin', plan, module, name, input });
    if (host.signal.aborted) abort();
    else host.signal.addEventListener('abort', abort, { once: true });
    return await ended;
  } finally {
    host.signal.removeEventListener('abort', abort);
    clearTimeout(killing);
    child.kill('SIGKILL');
  }
}

function tell(child: ChildProcess, message: ToInside): void {
  // A child that is gone says so by its end.
  child.send(message, () => undefined);
}

function outcomeOf<Output>(child: ChildProcess, host: DrillHost): Promise<Output> {
  return new Promise((resolve, reject) => {
    const fail = (how: string): void =>
      reject(new OperationError('DRILL_INSIDE', `the process inside the network ${how}`, { outcome: 'unknown' }));
    child.on('message', (message: ToOutside) => {
      if (message.kind === 'progress') host.progress(message.line);
      else if (message.kind === 'done') resolve(message.output as Output);
      else reject(receivedError(message.error));
    });
    child.once('error', (error) => fail(`could not be started: ${error.message}`));
    // After its last message: `exit` can come before that.
    child.once('close', (status, signal) =>
      fail(signal === null ? `ended with status ${String(status)}` : `was ended by ${signal}`),
    );
  });
}

/**
 * The process inside the network of a drill: it is started at the place `clients`, does one task, and tells its parent how
 * that went. It ends with its parent, however that ends.
 */
import { dieWithParent } from '@holdfast/base/real';
import { hostFaults } from './host-faults.ts';
import { sentError, type InsidePlan, type ToInside, type ToOutside } from './messages.ts';
import { diskMebibytes } from './own-disks.ts';
import { placementIn } from './namespaced-placement.ts';
import type { DrillSite, DrillTask } from './site.ts';

dieWithParent(Number(process.env['HOLDFAST_PARENT_PID']));
delete process.env['HOLDFAST_PARENT_PID'];

const aborting = new AbortController();

function tell(message: ToOutside): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send?.(message, undefined, undefined, (error) => (error === null ? resolve() : reject(error)));
  });
}

/** Nobody reads what cannot be told: then the parent is gone, and this process with it. */
function progress(line: string): void {
  tell({ kind: 'progress', line }).catch(() => undefined);
}

function siteOf({ network, directory, disks }: InsidePlan): DrillSite {
  return {
    network: 'namespaces',
    directory,
    placement: placementIn(network, disks),
    hosts: hostFaults(network, disks),
    ...(disks.size > 0 ? { diskMebibytes } : {}),
    progress,
    signal: aborting.signal,
  };
}

async function begin({ plan, module, name, input }: Extract<ToInside, { kind: 'begin' }>): Promise<void> {
  try {
    const tasks = (await import(module)) as Readonly<Record<string, DrillTask<unknown, unknown>>>;
    const task = tasks[name];
    if (task === undefined) throw new Error(`${module} exports no task ${name}`);
    await tell({ kind: 'done', output: await task.call(siteOf(plan), input) });
  } catch (error) {
    await tell({ kind: 'failed', error: sentError(error) });
  }
  // An interrupted task leaves clients that would go on to look for the cluster.
  process.exit();
}

process.on('message', (message: ToInside) => {
  if (message.kind === 'abort') aborting.abort(new RangeError(message.reason));
  else void begin(message);
});

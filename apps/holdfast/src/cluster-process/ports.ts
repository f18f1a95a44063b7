/** Whether ports can be listened on, and blocks of ports that can. */
import { createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { FatalError } from '@holdfast/base';
import { planLayout, type LayoutSettings, type PortUse } from './layout.ts';
import { loopbackHost } from './placement.ts';

/** Tries to listen on the loopback interface: the only question whose answer counts. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: loopbackHost, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** Processes of a cluster whose `up` was killed need a moment to end. */
const leftoversMs = 2_000;

/** @throws FatalError (exit status 3) naming the first port that stays taken and what it is for. */
export async function requireFree(ports: readonly PortUse[]): Promise<void> {
  const untilMs = performance.now() + leftoversMs;
  for (const { port, use, flag } of ports) {
    let free = await isFree(port);
    while (!free && performance.now() < untilMs) {
      await pause(50);
      free = await isFree(port);
    }
    if (free) continue;
    throw new FatalError(`port ${port} (${use}) is taken by another process; stop it or choose ${flag}`, 3);
  }
}

/**
 * Settings like `settings` whose ports were all free a moment ago; several clusters may then run on one machine.
 * @param pick returns a number in 0 .. limit-1.
 * @throws FatalError (exit status 3) when no free block was found.
 */
export async function onFreePorts(settings: LayoutSettings, pick: (limit: number) => number): Promise<LayoutSettings> {
  const blockSize = 400;
  const attempts = 50;
  for (let attempt = 0; attempt < attempts; attempt++) {
    // Below the range from which the kernel takes ports of outgoing connections; control ports are 10000 higher.
    const base = 11_000 + blockSize * pick(Math.floor(10_000 / blockSize));
    const candidate: LayoutSettings = {
      ...settings,
      nodePort: base,
      port: base + 100,
      replicaPort: base + 200,
      apiPort: base + 300,
      lbControlPort: base + 320,
      etcdPort: base + 330,
    };
    const free = await Promise.all(planLayout(candidate).ports.map(({ port }) => isFree(port)));
    if (free.every(Boolean)) return candidate;
  }
  throw new FatalError(`no block of free ports found in ${attempts} attempts`, 3);
}

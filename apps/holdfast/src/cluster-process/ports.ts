/** Whether ports can be listened on, and blocks of ports that can. */
import { createSocket, type Socket } from 'node:dgram';
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

const blockSize = 400;
/** Below the range from which the kernel takes ports of outgoing connections; control ports are 10000 higher. */
const firstBlock = 11_000;
const blocks = 25;
const attempts = 50;

/** Held until the process ends. */
const reservations: Socket[] = [];

/**
 * Settings like `settings` on a block of ports that are free, and that no other process is given by this function until
 * this one ends; several clusters may then start on one machine at once.
 * @param pick returns a number in 0 .. limit-1.
 * @throws FatalError (exit status 3) when no free block was found.
 */
export async function onFreePorts(settings: LayoutSettings, pick: (limit: number) => number): Promise<LayoutSettings> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const base = firstBlock + blockSize * pick(blocks);
    const candidate: LayoutSettings = {
      ...settings,
      nodePort: base,
      port: base + 100,
      replicaPort: base + 200,
      apiPort: base + 300,
      lbControlPort: base + 320,
      etcdPort: base + 330,
    };
    if (!(await reserve(base))) continue;
    const free = await Promise.all(planLayout(candidate).ports.map(({ port }) => isFree(port)));
    if (free.every(Boolean)) return candidate;
  }
  throw new FatalError(`no block of free ports found in ${attempts} attempts`, 3);
}

/**
 * Between the look at a block and the start of the last process on it is a second in which another cluster would find
 * the block free too. A UDP socket on its first port keeps that one away and no TCP server; the kernel closes it when
 * the process ends, however it ends.
 */
function reserve(base: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => {
      socket.close();
      resolve(false);
    });
    socket.bind({ address: loopbackHost, port: base, exclusive: true }, () => {
      socket.unref();
      reservations.push(socket);
      resolve(true);
    });
  });
}

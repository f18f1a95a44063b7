/** An embedded balancer with one address, and what its tests wait for. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { silentLogger } from '@holdfast/base';
import { freePort } from '@holdfast/base/testing';
import type { Binding } from '../driver.ts';
import { L4Balancer } from '../embedded/l4-balancer.ts';
import { defaultLimits, type BalancerLimits } from '../limits.ts';

export interface Rig {
  readonly balancer: L4Balancer;
  readonly address: string;
  /** Applies bindings of the one address with the next revision. */
  point(backend: string | null, drainMs?: number | null, more?: Partial<Binding>): Promise<void>;
  restart(): Promise<L4Balancer>;
}

export async function startRig(t: TestContext, limits: Partial<BalancerLimits> = {}): Promise<Rig> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-lb-'));
  const path = join(directory, 'bindings.json');
  const options = { path, limits: { ...defaultLimits, ...limits }, logger: silentLogger };
  let balancer = await L4Balancer.start(options);
  t.after(async () => {
    await balancer.close();
    rmSync(directory, { recursive: true });
  });
  const address = `127.0.0.1:${await freePort()}`;
  let revision = 0;
  return {
    get balancer(): L4Balancer {
      return balancer;
    },
    address,
    async point(backend, drainMs = 0, more = {}): Promise<void> {
      const bindings = [{ address, backend, drainMs, ...more }];
      const { failed } = await balancer.apply({ revision: ++revision, bindings });
      assert.deepEqual(failed, []);
    },
    async restart(): Promise<L4Balancer> {
      await balancer.close();
      return (balancer = await L4Balancer.start(options));
    },
  };
}

/** Waits turn by turn of the event loop until `holds`; a test that never gets there runs into its time limit. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await nextTurn();
}

export async function countTo(balancer: L4Balancer, backend: string): Promise<number> {
  const { bindings } = await balancer.observe();
  const counts = bindings.flatMap(({ connections }) => connections).filter((entry) => entry.backend === backend);
  return counts.reduce((sum, { count }) => sum + count, 0);
}

/** Far more than all kernel buffers on the way hold. */
export const fillMax: number = 256 * 1024 * 1024;

/** Writes until nothing moves any more for many turns; returns the bytes that the kernel took. */
export async function fill(socket: Socket): Promise<number> {
  const chunk = Buffer.alloc(64 * 1024, 'q');
  let taken = 0;
  for (let quiet = 0; quiet < 50 && taken < fillMax;) {
    const before = taken;
    if (socket.writableLength === 0) socket.write(chunk, () => (taken += chunk.length));
    await nextTurn();
    quiet = taken === before ? quiet + 1 : 0;
  }
  return taken;
}

/** A backend that accepts and never reads. */
export const frozen = (socket: Socket): unknown => socket.pause();

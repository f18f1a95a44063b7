/** What the tests with real etcd share: opening stores, another way into etcd, and a wire that can be cut. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { OperationError, silentLogger } from '@holdfast/base';
import { realClock, realTimers } from '@holdfast/base/real';
import { openEtcdStore, type OpenEtcdStoreOptions } from '../etcd/open-etcd-store.ts';
import type { MetadataStore } from '../metadata-store.ts';

let prefixes = 0;

export function newPrefix(): string {
  return `/holdfast-test/${++prefixes}`;
}

/** Opens a store with short times and closes it when the test ends. */
export async function openStore(
  t: Pick<TestContext, 'after'>,
  members: readonly { readonly endpoint: string }[],
  options: Partial<OpenEtcdStoreOptions> = {},
): Promise<MetadataStore> {
  const store = await openEtcdStore({
    endpoints: members.map(({ endpoint }) => endpoint),
    prefix: newPrefix(),
    leaseTtlMs: 2000,
    requestTimeoutMs: 1000,
    clock: realClock,
    timers: realTimers,
    logger: silentLogger,
    ...options,
  });
  t.after(() => store.close());
  return store;
}

/** Asks etcd over its JSON gateway, so not through what is under test. */
export async function gateway(
  member: { readonly endpoint: string },
  path: string,
  body: object,
  token?: string,
): Promise<Record<string, unknown>> {
  const response = await fetch(`http://${member.endpoint}/v3/${path}`, {
    method: 'POST',
    headers: token === undefined ? {} : { Authorization: token },
    body: JSON.stringify(body),
  });
  const answer = (await response.json()) as Record<string, unknown>;
  assert(response.ok, `${path}: ${JSON.stringify(answer)}`);
  return answer;
}

/** Matches an OperationError by its code and outcome. */
export function failure(code: string, outcome: string): (error: unknown) => boolean {
  return (error) => {
    assert(error instanceof OperationError, String(error));
    assert.deepEqual([error.code, error.outcome], [code, outcome], error.message);
    return true;
  };
}

/** Waits for a condition; the bound is only there so that a failing test ends. */
export async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const startMs = realClock.leaseMs(); realClock.leaseMs() - startMs < 30_000; await pause(20))
    if (await holds()) return;
  assert.fail(`not in 30 s: ${what}`);
}

/** A wire to etcd that can be cut, or lose what etcd answers. */
export interface Wire {
  readonly endpoint: string;
  /** Ends all connections and refuses new ones. */
  cut(): Promise<void>;
  /** Takes connections again, on the same port. */
  mend(): Promise<void>;
  /** From now on nothing etcd says gets through; what it is told does. `false`: again, on new connections. */
  muteAnswers(muted: boolean): void;
}

export async function startWire(t: Pick<TestContext, 'after'>, member: { readonly endpoint: string }): Promise<Wire> {
  const [host = '', port = ''] = member.endpoint.split(':');
  const sockets = new Set<Socket>();
  let muted = false;
  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    return socket;
  };
  const server = createServer((near) => {
    const far = keep(connect(Number(port), host));
    keep(near).on('data', (bytes) => far.write(bytes));
    far.on('data', (bytes) => {
      if (!muted) near.write(bytes);
    });
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
  });
  const listen = async (own: number): Promise<void> => {
    server.listen(own, '127.0.0.1');
    await once(server, 'listening');
  };
  const endAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  await listen(0);
  const own = (server.address() as AddressInfo).port;
  t.after(() => {
    endAll();
    server.close();
  });
  return {
    endpoint: `127.0.0.1:${own}`,
    cut: async (): Promise<void> => {
      const closed = once(server, 'close');
      server.close();
      endAll();
      await closed;
    },
    mend: () => listen(own),
    muteAnswers: (mute): void => {
      muted = mute;
      if (!mute) endAll();
    },
  };
}

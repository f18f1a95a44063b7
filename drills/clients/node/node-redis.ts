/** node-redis, with a cluster client or a client of one address. */
import { createRequire } from 'node:module';
import { createClient, createCluster } from 'redis';
import { endpointOf, play, tellError, type Library, type ProgramConfig } from './lanes.ts';

const { version } = createRequire(import.meta.url)('redis/package.json') as { version: string };

/** What docs/operating/clients.md recommends, and why. */
const recommendedSocket = {
  connectTimeout: 1000,
  socketTimeout: 3000,
  reconnectStrategy: (retries: number) => Math.min(20 * (retries + 1), 200),
};
const recommendedClient = { pingInterval: 1000, commandOptions: { timeout: 3000 } };

async function openCluster({ masters, settings, reads }: ProgramConfig): Promise<Library> {
  const recommended = {
    defaults: { ...recommendedClient, socket: recommendedSocket },
    maxCommandRedirections: 100,
  };
  const cluster = createCluster({
    rootNodes: masters.map((address) => ({ socket: endpointOf(address) })),
    useReplicas: reads === 'replicas',
    ...(settings === 'recommended' ? recommended : {}),
  });
  cluster.on('error', tellError);
  await cluster.connect();
  return {
    set: async (key, value) => {
      const reply = await cluster.set(key, value);
      if (reply !== 'OK') throw new Error(`unexpected reply ${String(reply)}`);
    },
    get: async (key) => (await cluster.get(key))?.toString() ?? null,
  };
}

async function openOne(address: string, settings: ProgramConfig['settings'], readonly: boolean): Promise<Library> {
  const isRecommended = settings === 'recommended';
  const client = createClient({
    socket: { ...endpointOf(address), ...(isRecommended ? recommendedSocket : {}) },
    ...(isRecommended ? recommendedClient : {}),
    readonly,
  });
  client.on('error', tellError);
  await client.connect();
  return {
    set: async (key, value) => {
      const reply = await client.set(key, value);
      if (reply !== 'OK') throw new Error(`unexpected reply ${String(reply)}`);
    },
    get: async (key) => (await client.get(key))?.toString() ?? null,
  };
}

await play({ library: 'node-redis', version }, async (config) => {
  if (config.mode === 'cluster') return openCluster(config);
  const writes = await openOne(config.masters[0] ?? '', config.settings, false);
  if (config.replica === null) return writes;
  const replica = await openOne(config.replica, config.settings, true);
  return { set: writes.set, get: replica.get };
});

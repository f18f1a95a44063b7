/** ioredis, with a Cluster or with one address. */
import { createRequire } from 'node:module';
import { Cluster, Redis, type ClusterOptions, type RedisOptions } from 'ioredis';
import { endpointOf, play, tellError, type Library, type ProgramConfig } from './lanes.ts';

const { version } = createRequire(import.meta.url)('ioredis/package.json') as { version: string };

/** ioredis' own default, which its types want to see. */
interface Legacy {
  replyMapping: 'legacy';
}

/** What docs/operating/clients.md recommends, and why. */
const recommendedNode = {
  connectTimeout: 1000,
  commandTimeout: 3000,
  retryStrategy: (times: number) => Math.min(20 * times, 200),
};
/** A client of one address does not follow MOVED: 2 is to connect anew and send the command again. */
const recommendedSingle = {
  ...recommendedNode,
  maxRetriesPerRequest: 100,
  reconnectOnError: ({ message }: Error): false | 2 => (/^(MOVED|CLUSTERDOWN|MASTERDOWN) /.test(message) ? 2 : false),
};
const recommendedCluster: ClusterOptions = {
  retryDelayOnFailover: 20,
  retryDelayOnClusterDown: 50,
  retryDelayOnMoved: 20,
  maxRedirections: 100,
  slotsRefreshTimeout: 500,
  clusterRetryStrategy: (times) => Math.min(20 * times, 200),
};

function asLibrary(writes: Cluster | Redis, reads: Cluster | Redis = writes): Library {
  return {
    set: async (key, value) => {
      const reply = await writes.set(key, value);
      if (reply !== 'OK') throw new Error(`unexpected reply ${String(reply)}`);
    },
    get: (key) => reads.get(key),
  };
}

async function openCluster({ masters, settings, reads }: ProgramConfig): Promise<Library> {
  const isRecommended = settings === 'recommended';
  const options: ClusterOptions & { redisOptions: Legacy } = {
    ...(isRecommended ? recommendedCluster : {}),
    redisOptions: { ...(isRecommended ? recommendedNode : {}), replyMapping: 'legacy' },
    ...(reads === 'replicas' ? { scaleReads: 'slave' } : {}),
    lazyConnect: true,
  };
  const cluster = new Cluster(masters.map(endpointOf), options);
  cluster.on('error', tellError);
  await cluster.connect();
  return asLibrary(cluster);
}

async function openOne(address: string, { settings }: ProgramConfig, readOnly: boolean): Promise<Redis> {
  const options: RedisOptions & Legacy = {
    ...endpointOf(address),
    ...(settings === 'recommended' ? recommendedSingle : {}),
    lazyConnect: true,
    replyMapping: 'legacy',
    readOnly,
  };
  const redis = new Redis(options);
  redis.on('error', tellError);
  await redis.connect();
  return redis;
}

await play({ library: 'ioredis', version }, async (config) => {
  if (config.mode === 'cluster') return openCluster(config);
  const writes = await openOne(config.masters[0] ?? '', config, false);
  return asLibrary(writes, config.replica === null ? writes : await openOne(config.replica, config, true));
});

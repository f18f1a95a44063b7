/**
 * valkey-glide for Node, with a cluster client. The package is not of this repository: it lies in the cache folder that
 * the configuration names, and only what is used of it is described here.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { endpointOf, play, type Endpoint, type ProgramConfig } from '../node/lanes.ts';

interface GlideClient {
  set(key: string, value: string): Promise<string | null>;
  get(key: string): Promise<string | Buffer | null>;
}

interface GlideOptions {
  readonly addresses: readonly Endpoint[];
  readonly readFrom?: 'primary' | 'preferReplica';
  readonly requestTimeout?: number;
  readonly connectionBackoff?: {
    readonly numberOfRetries: number;
    readonly factor: number;
    readonly exponentBase: number;
    readonly jitterPercent: number;
  };
  readonly advancedConfiguration?: { readonly connectionTimeout: number };
}

interface Glide {
  readonly GlideClusterClient: { createClient(options: GlideOptions): Promise<GlideClient> };
}

/** What docs/operating/clients.md recommends, and why. */
const recommended = {
  requestTimeout: 3000,
  connectionBackoff: { numberOfRetries: 5, factor: 10, exponentBase: 2, jitterPercent: 20 },
  advancedConfiguration: { connectionTimeout: 500 },
};

const config = JSON.parse(process.argv.at(-1) ?? '') as ProgramConfig;
const load = createRequire(join(config.cache ?? '.', 'package.json'));
const { GlideClusterClient } = load('@valkey/valkey-glide') as Glide;
const manifest = join(config.cache ?? '.', 'node_modules/@valkey/valkey-glide/package.json');
const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };

await play({ library: 'valkey-glide', version }, async ({ masters, settings, reads }) => {
  const client = await GlideClusterClient.createClient({
    addresses: masters.map(endpointOf),
    ...(reads === 'replicas' ? { readFrom: 'preferReplica' } : {}),
    ...(settings === 'recommended' ? recommended : {}),
  });
  return {
    set: async (key, value) => {
      const reply = await client.set(key, value);
      if (reply !== 'OK') throw new Error(`unexpected reply ${String(reply)}`);
    },
    get: async (key) => (await client.get(key))?.toString() ?? null,
  };
});

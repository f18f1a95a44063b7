/** How long a server takes to serve again after kill -9 under writes, with so much data. */
import { totalmem } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { fill } from '../filler.ts';
import { ask } from '../info.ts';
import { runLoad } from '../load-client.ts';
import { eachKind, type Section } from '../section.ts';
import { valueOf } from '../workloads.ts';

const valueBytes = 1024;
const writingMs = 500;
/** What Redis needs of memory for so much data, by and large: its copy while it rewrites its log included. */
const inMemoryFactor = 2;

export const recovery: Section = async (context, findings) => {
  const { stage, options, progress } = context;
  const value = valueOf(valueBytes);
  const keys = Math.max(1000, Math.round((options.recoveryGb * 1e9) / (valueBytes + 16)));
  const kinds = context.kinds.filter(({ name }) => name !== 'bare' && name !== 'kvrocks-1');
  await eachKind({ ...context, kinds }, findings, async (kind) => {
    if (kind.name === 'redis' && options.recoveryGb * 1e9 * inMemoryFactor > totalmem()) {
      findings.skip(kind.title, `${options.recoveryGb} GB do not fit into memory`);
      return;
    }
    progress.say(`recovery: ${kind.name}, ${options.recoveryGb} GB`);
    const server = await stage.start(kind);
    const client = await server.client();
    await fill(client, { kind: 'strings' }, { value, keyspace: keys, requests: 0 });
    await ask(client, 'SET', 'bench:last', 'written');
    client.close();
    // Writes go on until the server is killed: what its log ends with is cut somewhere.
    const command = ['SET', 'key:__rand_int__', value];
    const endless = {
      port: server.port,
      command,
      pipeline: 16,
      requests: 1e9,
      clients: options.clients,
      keyspace: keys,
    };
    const load = runLoad(stage, endless).catch(() => undefined);
    await pause(writingMs);
    await server.end('SIGKILL', true);
    await load;
    const again = await stage.start(kind, { dir: server.dir });
    findings.add(`to first PONG after kill -9, ${options.recoveryGb} GB`, kind.name, 's', again.startedInMs / 1000);
    const survivor = await again.client();
    if ((await ask(survivor, 'GET', 'bench:last')) !== 'written')
      throw new Error(`${kind.title} lost a write that was answered before kill -9 of its process`);
    survivor.close();
    await again.end();
  });
};

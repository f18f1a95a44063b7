/**
 * What many small keys cost in memory. A server on disk may fill its buffers, which are bounded, but must not pay per key:
 * so it is filled in two halves, and what the second adds, divided by its keys, is the price of a key.
 */
import { fill } from '../filler.ts';
import { eachKind, type Section } from '../section.ts';

const value = '12345678';

export const memory: Section = async (context, findings) => {
  const { stage, options, progress } = context;
  const keys = options.memoryKeys;
  const half = Math.floor(keys / 2);
  await eachKind(context, findings, async (kind) => {
    progress.say(`memory: ${kind.name}, ${keys} keys`);
    const server = await stage.start(kind);
    const client = await server.client();
    findings.add(`RSS with 0 keys`, kind.name, 'MB', server.usage().residentBytes / 1e6);
    await fill(client, { kind: 'strings' }, { value, keyspace: half, requests: 0 });
    const middle = server.usage().residentBytes;
    await fill(client, { kind: 'strings' }, { value, keyspace: keys, requests: 0, from: half });
    const usage = server.usage();
    findings.add(`RSS with ${keys} keys`, kind.name, 'MB', usage.residentBytes / 1e6);
    findings.add('peak RSS', kind.name, 'MB', usage.peakBytes / 1e6);
    findings.add('RSS per key of the second half', kind.name, 'bytes', (usage.residentBytes - middle) / (keys - half));
    client.close();
    await server.end();
  });
};

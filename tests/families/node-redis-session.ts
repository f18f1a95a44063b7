/** A session over all families of commands with node-redis: what it makes of the replies, in RESP2 and RESP3 alike. */
import assert from 'node:assert/strict';
import { createClient } from 'redis';
import type { Session } from './session.ts';

function open(port: number, protocol: 2 | 3) {
  const client = createClient({ url: `redis://127.0.0.1:${port}`, RESP: protocol });
  client.on('error', () => undefined);
  return client.connect();
}

type Client = Awaited<ReturnType<typeof open>>;

export const nodeRedisSession: Session = async ({ port, protocol, blockedClients }) => {
  const client = await open(port, protocol);
  const other = await open(port, protocol);
  try {
    await stringsAndHashes(client);
    await listsAndSets(client, other, blockedClients);
    await sortedSets(client);
    await bitsAndCounts(client);
    await streams(client);
    await documentsAndScripts(client);
    await messages(client, other);
    await transactions(client);
    await scans(client);
  } finally {
    client.destroy();
    other.destroy();
  }
};

async function stringsAndHashes(client: Client): Promise<void> {
  assert.equal(await client.set('s', 'välue'), 'OK');
  assert.equal(await client.get('s'), 'välue');
  assert.equal(await client.get('absent'), null);
  assert.deepEqual(await client.mGet(['s', 'absent']), ['välue', null]);
  assert.equal(await client.incrBy('n', 41), 41);
  assert.equal(Number(await client.incrByFloat('n', 0.5)), 41.5);
  await assert.rejects(client.lPush('s', 'x'), /WRONGTYPE /);
  assert.equal(await client.hSet('h', { a: '1', b: '2' }), 2);
  assert.deepEqual({ ...(await client.hGetAll('h')) }, { a: '1', b: '2' });
  assert.deepEqual(await client.hmGet('h', ['a', 'c']), ['1', null]);
}

async function listsAndSets(
  client: Client,
  other: Client,
  blockedClients: (count: number) => Promise<void>,
): Promise<void> {
  assert.equal(await client.rPush('l', ['a', 'b', 'c']), 3);
  assert.deepEqual(await client.lRange('l', 0, -1), ['a', 'b', 'c']);
  assert.equal(await client.lMove('l', 'l2', 'LEFT', 'RIGHT'), 'a');
  assert.deepEqual({ ...(await client.blPop(['l3', 'l2'], 1)) }, { key: 'l2', element: 'a' });
  assert.equal(await client.blPop('l3', 0.02), null);
  const waiting = other.blPop('waited', 0);
  await blockedClients(1);
  assert.equal(await client.rPush('waited', 'x'), 1);
  assert.deepEqual({ ...(await waiting) }, { key: 'waited', element: 'x' });

  assert.equal(await client.sAdd('t1', ['a', 'b', 'c']), 3);
  assert.equal(await client.sAdd('t2', ['b', 'c', 'd']), 3);
  assert.deepEqual([...(await client.sMembers('t1'))].sort(), ['a', 'b', 'c']);
  assert.deepEqual([...(await client.sInter(['t1', 't2']))].sort(), ['b', 'c']);
  assert.deepEqual((await client.smIsMember('t1', ['a', 'x'])).map(Boolean), [true, false]);
}

async function sortedSets(client: Client): Promise<void> {
  const members = [
    { value: 'a', score: 1 },
    { value: 'b', score: 2.5 },
    { value: 'c', score: Infinity },
  ];
  assert.equal(await client.zAdd('z', members), 3);
  assert.equal(await client.zScore('z', 'b'), 2.5);
  assert.equal(await client.zScore('z', 'absent'), null);
  const found = await client.zRangeWithScores('z', 0, -1);
  assert.deepEqual(
    found.map((each) => ({ ...each })),
    members,
  );
  assert.deepEqual({ ...(await client.zPopMax('z')) }, members[2]);
  assert.deepEqual({ ...(await client.bzPopMin('z', 1)) }, { key: 'z', ...members[0] });
  const places = [
    { longitude: 13.361389, latitude: 38.115556, member: 'Palermo' },
    { longitude: 15.087269, latitude: 37.502669, member: 'Catania' },
  ];
  assert.equal(await client.geoAdd('g', places), 2);
  assert.equal(await client.geoDist('g', 'Palermo', 'Catania', 'km'), 166.2742);
  const near = await client.geoSearch(
    'g',
    { longitude: 15, latitude: 37 },
    { radius: 200, unit: 'km' },
    { SORT: 'ASC' },
  );
  assert.deepEqual(near, ['Catania', 'Palermo']);
  const [place] = await client.geoPos('g', 'Palermo');
  assert.ok(Math.abs(Number(place?.longitude) - 13.361389) < 0.0001);
}

async function bitsAndCounts(client: Client): Promise<void> {
  assert.equal(await client.setBit('b', 7, 1), 0);
  assert.equal(await client.bitCount('b'), 1);
  assert.equal(await client.bitPos('b', 1), 7);
  assert.equal(Number(await client.pfAdd('p', ['a', 'b', 'c'])), 1);
  assert.equal(await client.pfCount('p'), 3);
  assert.equal(await client.pfMerge('p2', 'p'), 'OK');
}

async function streams(client: Client): Promise<void> {
  assert.equal(await client.xAdd('x', '1-1', { f: 'v' }), '1-1');
  assert.equal(await client.xAdd('x', '1-2', { f: 'w' }), '1-2');
  const entries = await client.xRange('x', '-', '+');
  assert.deepEqual(
    entries?.map(({ id, message }) => [id, { ...message }]),
    [
      ['1-1', { f: 'v' }],
      ['1-2', { f: 'w' }],
    ],
  );
  assert.equal(await client.xGroupCreate('x', 'group', '0'), 'OK');
  const delivered = await client.xReadGroup('group', 'me', { key: 'x', id: '>' }, { COUNT: 1 });
  assert.match(JSON.stringify(delivered), /"1-1".*"f":"v"/);
  const pending = await client.xPending('x', 'group');
  assert.equal(pending.pending, 1);
  assert.equal(await client.xAck('x', 'group', '1-1'), 1);
  const groups = await client.xInfoGroups('x');
  assert.deepEqual(
    groups.map(({ name }) => name),
    ['group'],
  );
  assert.equal(await client.xRead({ key: 'x', id: '$' }, { BLOCK: 20 }), null);
}

async function documentsAndScripts(client: Client): Promise<void> {
  assert.equal(await client.json.set('j', '$', { a: { b: [1, 2] } }), 'OK');
  assert.deepEqual(await client.json.get('j', { path: '$.a.b' }), [[1, 2]]);
  assert.deepEqual(await client.json.arrAppend('j', '$.a.b', 3), [3]);
  const reply = await client.eval('return {KEYS[1], ARGV[1], 3, false}', { keys: ['k'], arguments: ['a'] });
  assert.deepEqual(reply, ['k', 'a', 3, null]);
  const sha = await client.scriptLoad('return #ARGV');
  assert.equal(await client.evalSha(sha, { arguments: ['a', 'b'] }), 2);
  const lib = "#!lua name=lib\nredis.register_function('f', function(keys, args) return #keys end)";
  assert.equal(await client.functionLoad(lib, { REPLACE: true }), 'lib');
  assert.equal(await client.fCall('f', { keys: ['k'] }), 1);
}

async function messages(client: Client, other: Client): Promise<void> {
  const heard: string[] = [];
  let both = (): void => undefined;
  const all = new Promise<void>((resolve) => (both = resolve));
  const hear = (message: string, channel: string): void => {
    heard.push(`${channel}: ${message}`);
    if (heard.length === 2) both();
  };
  await other.subscribe('channel', hear);
  await other.pSubscribe('chan*', hear);
  assert.equal(await client.publish('channel', 'hello'), 2);
  await all;
  assert.deepEqual(heard, ['channel: hello', 'channel: hello']);
  assert.deepEqual({ ...(await client.pubSubNumSub(['channel'])) }, { channel: 1 });
  await other.unsubscribe('channel');
  await other.pUnsubscribe('chan*');
}

async function transactions(client: Client): Promise<void> {
  const replies = await client.multi().set('m', '41').incr('m').hSet('mh', 'f', 'v').hGetAll('mh').exec();
  assert.deepEqual(
    replies.map((reply: unknown) => (typeof reply === 'object' ? { ...reply } : reply)),
    ['OK', 42, 1, { f: 'v' }],
  );
  const watching = client.duplicate();
  await watching.connect();
  await watching.watch('m');
  assert.equal(await client.set('m', '0'), 'OK');
  await assert.rejects(watching.multi().incr('m').exec(), /watch/i);
  watching.destroy();
}

async function scans(client: Client): Promise<void> {
  await client.mSet(Array.from({ length: 300 }, (_, i): [string, string] => [`scan:${i}`, String(i)]));
  const seen = new Set<string>();
  for await (const keys of client.scanIterator({ MATCH: 'scan:*', COUNT: 50 })) for (const key of keys) seen.add(key);
  assert.equal(seen.size, 300);
  const fields: string[] = [];
  for await (const some of client.hScanIterator('h')) for (const { field } of some) fields.push(field);
  assert.deepEqual(fields.sort(), ['a', 'b']);
}

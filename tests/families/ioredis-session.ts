/** A session over all families of commands with ioredis: what it makes of the replies, in RESP2 and RESP3 alike. */
import assert from 'node:assert/strict';
import { Redis } from 'ioredis';
import type { Session } from './session.ts';

export const ioredisSession: Session = async ({ port, protocol, blockedClients }) => {
  const open = (): Redis => new Redis({ host: '127.0.0.1', port, protocol });
  const redis = open();
  const other = open();
  try {
    await stringsAndHashes(redis);
    await listsAndSets(redis, other, blockedClients);
    await sortedSets(redis);
    await bitsAndCounts(redis);
    await streams(redis);
    await documentsAndScripts(redis);
    await messages(redis, other);
    await transactions(redis, other);
    await scans(redis);
  } finally {
    redis.disconnect();
    other.disconnect();
  }
};

async function stringsAndHashes(redis: Redis): Promise<void> {
  assert.equal(await redis.set('s', 'välue'), 'OK');
  assert.equal(await redis.get('s'), 'välue');
  assert.equal(await redis.get('absent'), null);
  assert.equal(await redis.set('s', 'x', 'NX'), null);
  assert.deepEqual(await redis.getBuffer('s'), Buffer.from('välue'));
  assert.deepEqual(await redis.mget('s', 'absent'), ['välue', null]);
  assert.equal(await redis.incrby('n', 41), 41);
  assert.equal(await redis.incrbyfloat('n', 0.5), '41.5');
  await assert.rejects(redis.lpush('s', 'x'), /^ReplyError: WRONGTYPE /);
  assert.equal(await redis.hset('h', { a: '1', b: '2' }), 2);
  assert.deepEqual({ ...(await redis.hgetall('h')) }, { a: '1', b: '2' });
  assert.deepEqual(await redis.hmget('h', 'a', 'c'), ['1', null]);
  assert.equal(await redis.hincrbyfloat('h', 'a', 0.5), '1.5');
}

async function listsAndSets(
  redis: Redis,
  other: Redis,
  blockedClients: (count: number) => Promise<void>,
): Promise<void> {
  assert.equal(await redis.rpush('l', 'a', 'b', 'c'), 3);
  assert.deepEqual(await redis.lrange('l', 0, -1), ['a', 'b', 'c']);
  assert.equal(await redis.lmove('l', 'l2', 'LEFT', 'RIGHT'), 'a');
  assert.deepEqual(await redis.lmpop(1, 'l', 'LEFT', 'COUNT', 5), ['l', ['b', 'c']]);
  assert.deepEqual(await redis.blpop('l', 'l2', 1), ['l2', 'a']);
  assert.equal(await redis.blpop('l', 0.02), null);
  const waiting = other.blpop('waited', 0);
  await blockedClients(1);
  assert.equal(await redis.rpush('waited', 'x'), 1);
  assert.deepEqual(await waiting, ['waited', 'x']);

  assert.equal(await redis.sadd('t1', 'a', 'b', 'c'), 3);
  assert.equal(await redis.sadd('t2', 'b', 'c', 'd'), 3);
  assert.deepEqual((await redis.smembers('t1')).sort(), ['a', 'b', 'c']);
  assert.deepEqual((await redis.sinter('t1', 't2')).sort(), ['b', 'c']);
  assert.deepEqual(await redis.smismember('t1', 'a', 'x'), [1, 0]);
  assert.equal(await redis.sismember('t1', 'a'), 1);
}

async function sortedSets(redis: Redis): Promise<void> {
  assert.equal(await redis.zadd('z', '1', 'a', '2.5', 'b', 'inf', 'c'), 3);
  assert.equal(await redis.zscore('z', 'b'), '2.5');
  assert.deepEqual(await redis.zrange('z', '0', '-1', 'WITHSCORES'), ['a', '1', 'b', '2.5', 'c', 'inf']);
  assert.deepEqual(await redis.zrangebyscore('z', '-inf', 2.5), ['a', 'b']);
  assert.deepEqual(await redis.zpopmax('z'), ['c', 'inf']);
  assert.deepEqual(await redis.bzpopmin('z', 1), ['z', 'a', '1']);
  assert.equal(await redis.geoadd('g', 13.361389, 38.115556, 'Palermo', 15.087269, 37.502669, 'Catania'), 2);
  assert.equal(await redis.geodist('g', 'Palermo', 'Catania', 'KM'), '166.2742');
  const found = await redis.geosearch('g', 'FROMLONLAT', 15, 37, 'BYRADIUS', 200, 'km', 'ASC', 'WITHDIST');
  assert.deepEqual(found, [
    ['Catania', '56.4413'],
    ['Palermo', '190.4424'],
  ]);
}

async function bitsAndCounts(redis: Redis): Promise<void> {
  assert.equal(await redis.setbit('b', 7, 1), 0);
  assert.equal(await redis.bitcount('b'), 1);
  assert.equal(await redis.bitpos('b', 1), 7);
  assert.deepEqual(await redis.call('BITFIELD', 'bf', 'SET', 'u8', '0', '200', 'GET', 'u4', '0'), [0, 12]);
  assert.equal(await redis.pfadd('p', 'a', 'b', 'c'), 1);
  assert.equal(await redis.pfcount('p'), 3);
  assert.equal(await redis.pfmerge('p2', 'p'), 'OK');
}

async function streams(redis: Redis): Promise<void> {
  assert.equal(await redis.xadd('x', '1-1', 'f', 'v'), '1-1');
  assert.equal(await redis.xadd('x', '1-2', 'f', 'w'), '1-2');
  assert.deepEqual(await redis.xrange('x', '-', '+'), [
    ['1-1', ['f', 'v']],
    ['1-2', ['f', 'w']],
  ]);
  assert.equal(await redis.xgroup('CREATE', 'x', 'group', '0'), 'OK');
  const delivered = await redis.xreadgroup('GROUP', 'group', 'me', 'COUNT', 1, 'STREAMS', 'x', '>');
  assert.deepEqual(delivered, [['x', [['1-1', ['f', 'v']]]]]);
  assert.equal(((await redis.xpending('x', 'group')) as unknown[])[0], 1);
  assert.equal(await redis.xack('x', 'group', '1-1'), 1);
  assert.equal(await redis.xread('BLOCK', 20, 'STREAMS', 'x', '$'), null);
}

async function documentsAndScripts(redis: Redis): Promise<void> {
  assert.equal(await redis.call('JSON.SET', 'j', '$', '{"a":{"b":[1,2]}}'), 'OK');
  assert.equal(await redis.call('JSON.GET', 'j', '$.a.b'), '[[1,2]]');
  assert.deepEqual(await redis.call('JSON.ARRAPPEND', 'j', '$.a.b', '3'), [3]);
  assert.deepEqual(await redis.eval('return {KEYS[1], ARGV[1], 3, false}', 1, 'k', 'a'), ['k', 'a', 3, null]);
  redis.defineCommand('putAndGet', {
    numberOfKeys: 1,
    lua: "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])",
  });
  const putAndGet = Reflect.get(redis, 'putAndGet') as (key: string, value: string) => Promise<string>;
  assert.equal(await putAndGet.call(redis, 'scripted', 'v'), 'v');
  await assert.rejects(redis.eval("return redis.error_reply('MINE no')", 0), /MINE no/);
}

async function messages(redis: Redis, other: Redis): Promise<void> {
  const heard: string[][] = [];
  const both = new Promise<void>((resolve) => {
    const hear = (...message: string[]): void => {
      heard.push(message);
      if (heard.length === 2) resolve();
    };
    other.on('message', hear);
    other.on('pmessage', hear);
  });
  assert.equal(await other.subscribe('channel'), 1);
  assert.equal(await other.psubscribe('chan*'), 2);
  assert.equal(await redis.publish('channel', 'hello'), 2);
  await both;
  assert.deepEqual(heard.sort(), [
    ['chan*', 'channel', 'hello'],
    ['channel', 'hello'],
  ]);
  assert.deepEqual(await redis.pubsub('NUMSUB', 'channel'), ['channel', 1]);
  await other.unsubscribe('channel');
  await other.punsubscribe('chan*');
}

async function transactions(redis: Redis, other: Redis): Promise<void> {
  const replies = await redis.multi().set('m', '41').incr('m').hset('mh', 'f', 'v').hgetall('mh').exec();
  assert.deepEqual(
    replies?.map(([, reply]) => (typeof reply === 'object' ? { ...reply } : reply)),
    ['OK', 42, 1, { f: 'v' }],
  );
  await redis.watch('m');
  assert.equal(await other.set('m', '0'), 'OK');
  assert.equal(await redis.multi().incr('m').exec(), null);
}

async function scans(redis: Redis): Promise<void> {
  await redis.mset(Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`scan:${i}`, String(i)])));
  const seen = new Set<string>();
  for await (const keys of redis.scanStream({ match: 'scan:*', count: 50 }))
    for (const key of keys as string[]) seen.add(key);
  assert.equal(seen.size, 300);
  const members: string[] = [];
  for await (const some of redis.zscanStream('g')) members.push(...(some as string[]));
  assert.equal(members.length, 4);
}

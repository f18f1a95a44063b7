/** A session over all families of commands with redis-cli: what it prints, where RESP2 and RESP3 differ by type. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import type { Session } from './session.ts';

/** Command, what is printed in RESP2, and in RESP3 where that is something else. */
type Line = readonly [command: string, wanted: string, wanted3?: string];

const lines: readonly Line[] = [
  ['set s value', 'OK'],
  ['get s', '"value"'],
  ['get absent', '(nil)'],
  ['incrby n 41', '(integer) 41'],
  ['lpush s x', '(error) WRONGTYPE Operation against a key holding the wrong kind of value'],
  ['hset h a 1', '(integer) 1'],
  ['hgetall h', '1) "a"\n2) "1"', '1# "a" => "1"'],
  ['rpush l a b c', '(integer) 3'],
  ['lrange l 0 -1', '1) "a"\n2) "b"\n3) "c"'],
  ['blpop l 1', '1) "l"\n2) "a"'],
  ['blpop nothing 0.02', '(nil)'],
  ['sadd t a', '(integer) 1'],
  ['smembers t', '1) "a"', '1~ "a"'],
  ['zadd z 1.5 a', '(integer) 1'],
  ['zscore z a', '"1.5"', '(double) 1.5'],
  ['zrange z 0 -1 withscores', '1) "a"\n2) "1.5"', '1) 1) "a"\n   2) (double) 1.5'],
  ['geoadd g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania', '(integer) 2'],
  ['geodist g Palermo Catania km', '"166.2742"'],
  ['geosearch g fromlonlat 15 37 byradius 200 km asc', '1) "Catania"\n2) "Palermo"'],
  ['setbit b 7 1', '(integer) 0'],
  ['bitcount b', '(integer) 1'],
  ['pfadd p a b c', '(integer) 1'],
  ['pfcount p', '(integer) 3'],
  ['xadd x 1-1 f v', '"1-1"'],
  ['xgroup create x group 0', 'OK'],
  [
    'xreadgroup group group me streams x >',
    '1) 1) "x"\n   2) 1) 1) "1-1"\n         2) 1) "f"\n            2) "v"',
    '1# "x" => \n   1) 1) "1-1"\n      2) 1) "f"\n         2) "v"',
  ],
  ['xack x group 1-1', '(integer) 1'],
  ['json.set j $ {"a":[1,2]}', 'OK'],
  ['json.get j $.a', '"[[1,2]]"'],
  ['eval "return {KEYS[1], 3}" 1 k', '1) "k"\n2) (integer) 3'],
  ['multi', 'OK'],
];

export const redisCliSession: Session = async ({ port, protocol }) => {
  const base = ['-p', String(port), ...(protocol === 3 ? ['-3'] : [])];
  const cli = async (...args: string[]): Promise<string> =>
    (await promisify(execFile)('redis-cli', [...base, '--no-raw', ...args])).stdout.trimEnd();
  for (const [command, wanted, wanted3] of lines)
    assert.equal(await cli(...wordsOf(command)), protocol === 3 ? (wanted3 ?? wanted) : wanted, command);
  await messages(base, cli);
  for (let i = 0; i < 20; i++) await cli('set', `scan:${i}`, 'v');
  const scanned = await promisify(execFile)('redis-cli', [...base, '--scan', '--pattern', 'scan:*']);
  assert.equal(new Set(scanned.stdout.trimEnd().split('\n')).size, 20);
};

/** Words as a shell splits them. */
function wordsOf(command: string): string[] {
  return [...command.matchAll(/"([^"]*)"(?=\s|$)|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
}

async function messages(base: readonly string[], cli: (...args: string[]) => Promise<string>): Promise<void> {
  const subscriber = spawn('redis-cli', [...base, 'subscribe', 'channel'], { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    const printed: string[] = [];
    for await (const line of createInterface(subscriber.stdout)) {
      printed.push(line);
      if (/(^| )1$/.test(line)) assert.equal(await cli('publish', 'channel', 'hello'), '(integer) 1');
      if (/hello/.test(line)) break;
    }
    assert.match(printed.join('\n'), /subscribe[\s\S]*message[\s\S]*channel[\s\S]*hello/);
  } finally {
    subscriber.kill();
  }
}

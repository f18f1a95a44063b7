// Geographic sets as sessions: what commands answer, refuse and say. Replies over random data: redis.test.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTestCommands } from '../data/testing/command-runner.ts';
import { transcript } from '../data/testing/transcript.ts';
import { decode, encode, geohashText } from './geohash.ts';

const sicily = 'GEOADD sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania';

test('positions are stored as scores and read back', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    [sicily, ':2'],
    ['ZSCORE sicily Palermo', '$3479099956230698'],
    ['GEOPOS sicily Palermo none', '[[$13.36138933897018433 $38.11555639549629859] nil-array]'],
    ['GEOHASH sicily Palermo Catania none', '[$sqc8b49rny0 $sqdtr74hyu0 nil]'],
    ['GEODIST sicily Palermo Catania', '$166274.1516'],
    ['GEODIST sicily Palermo Catania KM', '$166.2742'],
    ['GEODIST sicily Palermo Catania mi', '$103.3182'],
    ['GEODIST sicily Palermo none', 'nil'],
    ['GEODIST none a b', 'nil'],
    ['GEOPOS none a', '[nil-array]'],
    ['GEOPOS sicily', '[]'],
    ['GEOADD sicily CH 13 38 Palermo 1 1 new', ':2'],
    ['GEOADD sicily NX CH 1 1 Palermo', ':0'],
    ['GEOADD sicily XX CH 2 2 nobody', ':0'],
  ]);
});

test('a position is within one smallest cell of what was stored, at the edges of the map too', () => {
  for (const longitude of [-180, -179.99999, -0.00001, 0, 12.3456789, 179.99999, 180]) {
    for (const latitude of [-85.05112878, -66, -0.00001, 0, 45.678901, 85, 85.05112878]) {
      const found = decode(encode({ longitude, latitude }));
      assert.ok(Math.abs(found.longitude - longitude) < 360 / 2 ** 26);
      assert.ok(Math.abs(found.latitude - latitude) < 171 / 2 ** 26);
    }
  }
  assert.equal(geohashText({ longitude: -5.6, latitude: 42.6 }), 'ezs42e44yx0');
});

test('members are found around positions and members, nearest first where only some are asked for', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    [sicily, ':2'],
    ['GEOADD sicily 12.758489 38.788135 edge1 17.241510 38.788135 edge2', ':2'],
    ['GEOSEARCH sicily FROMLONLAT 15 37 BYRADIUS 200 km ASC', '[$Catania $Palermo]'],
    ['GEOSEARCH sicily FROMLONLAT 15 37 BYRADIUS 200 km DESC WITHDIST', '[[$Palermo $190.4424] [$Catania $56.4413]]'],
    ['GEOSEARCH sicily FROMLONLAT 15 37 BYBOX 400 400 km ASC', '[$Catania $Palermo $edge2 $edge1]'],
    ['GEOSEARCH sicily FROMMEMBER Palermo BYRADIUS 500 km COUNT 1', '[$Palermo]'],
    ['GEORADIUS sicily 15 37 200 km WITHHASH ASC', '[[$Catania :3479447370796909] [$Palermo :3479099956230698]]'],
    ['GEORADIUSBYMEMBER sicily Catania 1 m', '[$Catania]'],
    ['GEOSEARCHSTORE to sicily FROMLONLAT 15 37 BYRADIUS 200 km STOREDIST', ':2'],
    ['ZRANGEBYSCORE to 56 57', '[$Catania]'],
    ['GEORADIUS sicily 15 37 200 km STORE to', ':2'],
    ['GEOHASH to Palermo', '[$sqc8b49rny0]'],
    ['GEORADIUSBYMEMBER sicily Catania 1 m STOREDIST to', ':1'],
    ['ZRANGE to 0 -1 WITHSCORES', '[$Catania $0]'],
    ['GEORADIUS none 15 37 200 km STORE to', ':0'],
    ['EXISTS to', ':0'],
    ['GEOSEARCH none FROMMEMBER x BYRADIUS 1 m', '[]'],
  ]);
});

test('what is said twice, not at all or in other units is refused, and nothing is written', async () => {
  await using opened = await openTestCommands();
  const one = '-ERR exactly one of';
  transcript(opened.runner, [
    ['GEOADD g 181 0 a', '-ERR invalid longitude,latitude pair 181.000000,0.000000'],
    ['GEOADD g 0 85.06 a', '-ERR invalid longitude,latitude pair 0.000000,85.060000'],
    ['GEOADD g 0 0 a 1 x b', '-ERR value is not a valid float'],
    ['GEOADD g 0 0 a 1 1', '-ERR syntax error'],
    ['GEOADD g NX XX 0 0 a', '-ERR syntax error'],
    ['GEOADD g GT 0 0 a', '-ERR syntax error'],
    ['EXISTS g', ':0'],
    ['GEODIST g a b yd', '-ERR unsupported unit provided. please use M, KM, FT, MI'],
    ['GEODIST g a b m m', '-ERR syntax error'],
    ['GEOSEARCH g BYRADIUS 1 m ASC', `${one} FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH`],
    ['GEOSEARCH g FROMLONLAT 0 0 ASC', `${one} BYRADIUS and BYBOX can be specified for GEOSEARCH`],
    ['GEOSEARCHSTORE t g BYBOX 1 1 m ASC', `${one} FROMMEMBER or FROMLONLAT can be specified for GEOSEARCHSTORE`],
    ['GEOSEARCH g FROMLONLAT 0 0 FROMMEMBER a BYRADIUS 1 m', '-ERR syntax error'],
    ['GEOSEARCH g FROMLONLAT 0 0 BYRADIUS 1 m BYBOX 1 1 m', '-ERR syntax error'],
    ['GEOSEARCH g FROMLONLAT 0 0 BYRADIUS 1 m STOREDIST', '-ERR syntax error'],
    ['GEOSEARCH g FROMLONLAT 0 0 BYRADIUS 1 m COUNT 0', '-ERR COUNT must be > 0'],
    ['GEOSEARCH g FROMLONLAT 0 0 BYRADIUS 1 m ANY', '-ERR the ANY argument requires COUNT argument'],
    ['GEOSEARCH g FROMLONLAT 0 0 BYRADIUS x m', '-ERR need numeric radius'],
    ['GEOSEARCH g FROMLONLAT 0 0 BYRADIUS -1 m', '-ERR radius cannot be negative'],
    ['GEOSEARCH g FROMLONLAT 0 0 BYBOX x 1 m', '-ERR need numeric width'],
    ['GEOSEARCH g FROMLONLAT 0 0 BYBOX 1 x m', '-ERR need numeric height'],
    ['GEOSEARCH g FROMLONLAT 0 0 BYBOX 1 -1 m', '-ERR height or width cannot be negative'],
    [
      'GEORADIUS g 0 0 1 m STORE t WITHDIST',
      '-ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options',
    ],
    [
      'GEOSEARCHSTORE t g FROMLONLAT 0 0 BYRADIUS 1 m WITHHASH',
      '-ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options',
    ],
    [sicily, ':2'],
    ['SET t v', '+OK'],
    ['GEOSEARCHSTORE t sicily FROMMEMBER none BYRADIUS 1 m', '-ERR could not decode requested zset member'],
    ['GET t', '$v'],
  ]);
  assert.equal(opened.runner.line('GEORADIUS_RO g 0 0 1 m STORE t'), '-ERR syntax error\r\n');
});

test('what was done to a geographic set is said', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const rows: [line: string, ...events: string[]][] = [
    [sicily, 'z zadd sicily'],
    [sicily],
    ['GEOSEARCHSTORE to sicily FROMLONLAT 15 37 BYRADIUS 200 km', 'z geosearchstore to'],
    ['GEORADIUS sicily 15 37 200 km STORE to', 'z georadiusstore to'],
    ['GEORADIUSBYMEMBER sicily Palermo 1 m STOREDIST to', 'z georadiusstore to'],
    ['GEOSEARCHSTORE to sicily FROMLONLAT 0 0 BYRADIUS 1 m', 'g del to'],
    ['GEOSEARCHSTORE to none FROMLONLAT 0 0 BYRADIUS 1 m'],
  ];
  for (const [line, ...events] of rows) {
    runner.events = [];
    runner.line(line);
    assert.deepEqual(runner.events, events, line);
  }
});

test('a score that is no whole number, as ZADD may give, is told as one', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['ZADD g 3479099956230698.5 a', ':1'],
    ['GEORADIUS g 13.361389 38.115556 1 km WITHHASH', '[[$a :3479099956230698]]'],
  ]);
});

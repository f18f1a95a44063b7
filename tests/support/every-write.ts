/**
 * One and more of every command of Kvrocks 2.10 that writes data, FT.* left out, for what is compared between two servers:
 * each leaves something that reading shows. Keys of one family stand under one hash tag, so that the same runs in a cluster.
 */

/** Words separated by blanks; an argument that needs other bytes is written out. Arguments are latin1. */
type Line = string | readonly string[];

const binary = '\x00\xff\r\n \x80{}';
/** Long after every run. */
const expiryMs = '4102444800123';

function numbered(prefix: string, count: number, each: (name: string) => readonly string[]): string[] {
  return Array.from({ length: count }, (_, i) => each(`${prefix}${i}`)).flat();
}

const strings: readonly Line[] = [
  'SET {s}plain hello',
  ['SET', '{s}empty', ''],
  ['SET', `{s}${binary}`, binary],
  ['SET', '{s}', 'a name that is a hash tag alone is none'],
  `SET {s}lived x PXAT ${expiryMs}`,
  'SET {s}seconds x EXAT 4102444800',
  'SETEX {s}setex 1000000000 x',
  'PSETEX {s}psetex 1000000000000 x',
  'SETNX {s}setnx x',
  'GETSET {s}plain other',
  'SET {s}kept x EX 1000000000',
  'SET {s}kept y KEEPTTL',
  `GETEX {s}setnx PXAT ${expiryMs}`,
  'SET {s}getdel x',
  'GETDEL {s}getdel',
  'APPEND {s}plain -more',
  'SETRANGE {s}range 5 abc',
  'INCR {s}int',
  'INCRBY {s}int 41',
  'DECR {s}int',
  'DECRBY {s}int 9223372036854775000',
  'INCRBYFLOAT {s}float 3.25',
  'INCRBYFLOAT {s}float -1e3',
  'MSET {s}m1 1 {s}m2 2',
  'MSETNX {s}m3 3 {s}m4 4',
  'CAS {s}m1 1 one',
  'SET {s}cad x',
  'CAD {s}cad x',
  ['SET', '{s}big', 'v'.repeat(1_000_000)],
];

const hashes: readonly Line[] = [
  ['HSET', '{h}a', 'f1', 'v1', 'f2', '', binary, binary, '', 'an empty field'],
  'HSETNX {h}a f3 v3',
  'HMSET {h}a f4 v4 f5 v5',
  'HDEL {h}a f1 f4',
  'HINCRBY {h}a n -7',
  'HINCRBYFLOAT {h}a float 1.25',
  ['HSET', '{h}many', ...numbered('field', 3000, (name) => [name, `value of ${name}`])],
  `PEXPIREAT {h}many ${expiryMs}`,
  ['HSET', '{h}big', 'f', 'x'.repeat(300_000)],
  'HSET {h}emptied f v',
  'HDEL {h}emptied f',
];

const lists: readonly Line[] = [
  'RPUSH {l}a a b c d e b',
  'LPUSH {l}a z y',
  'LPUSHX {l}a first',
  'RPUSHX {l}a last',
  'LREM {l}a -1 b',
  'LINSERT {l}a BEFORE c before-c',
  'LINSERT {l}a AFTER c after-c',
  'LSET {l}a 1 changed',
  'LTRIM {l}a 1 7',
  'RPOP {l}a',
  'LPOP {l}a 2',
  'RPOPLPUSH {l}a {l}b',
  'LMOVE {l}a {l}b LEFT RIGHT',
  'BLMOVE {l}a {l}b RIGHT LEFT 1',
  'RPUSH {l}c 1 2 3 4 5 6 7',
  'BLPOP {l}c 1',
  'BRPOP {l}c 1',
  'LMPOP 1 {l}c LEFT COUNT 1',
  'BLMPOP 1 1 {l}c RIGHT',
  ['RPUSH', '{l}binary', '', binary],
  ['RPUSH', '{l}many', ...numbered('element', 3000, (name) => [name])],
];

const sets: readonly Line[] = [
  ['SADD', '{t}a', 'x', 'y', 'z', '', binary],
  'SREM {t}a y',
  'SADD {t}b x q r',
  'SMOVE {t}b {t}c q',
  'SINTERSTORE {t}inter {t}a {t}b',
  'SUNIONSTORE {t}union {t}a {t}b',
  'SDIFFSTORE {t}diff {t}a {t}b',
  'SADD {t}popped one two three',
  'SPOP {t}popped',
  ['SADD', '{t}many', ...numbered('member', 3000, (name) => [name])],
];

const zsets: readonly Line[] = [
  ['ZADD', '{z}a', '1', 'one', '2.5', 'two', '-3', 'minus', '1e300', 'big', '-inf', 'least', '+inf', 'most', '0', ''],
  ['ZADD', '{z}a', '-0.1', binary, '3.1415926535897931', 'pi', '-1e-300', 'tiny'],
  'ZADD {z}a GT CH 2 one',
  'ZADD {z}a INCR 1.5 two',
  'ZINCRBY {z}a 10 minus',
  'ZREM {z}a big',
  'ZADD {z}lex 0 a 0 b 0 c 0 d 0 e',
  'ZREMRANGEBYLEX {z}lex [b (c',
  'ZADD {z}b 1 one 2 two 3 three 4 four 5 five 6 six 7 seven 8 eight',
  'ZREMRANGEBYRANK {z}b 0 0',
  'ZREMRANGEBYSCORE {z}b (2 3',
  'ZPOPMIN {z}b',
  'ZPOPMAX {z}b',
  'BZPOPMIN {z}b 1',
  'BZPOPMAX {z}b 1',
  'ZMPOP 1 {z}b MIN',
  'ZADD {z}d 1 one 2 two 3 three',
  'BZMPOP 1 1 {z}d MAX',
  'ZUNIONSTORE {z}union 2 {z}a {z}d WEIGHTS 1 2 AGGREGATE MAX',
  'ZINTERSTORE {z}inter 2 {z}a {z}d',
  'ZDIFFSTORE {z}diff 2 {z}a {z}d',
  'ZRANGESTORE {z}range {z}a 1 3',
  ['ZADD', '{z}many', ...Array.from({ length: 3000 }, (_, i) => [String((i * 7919) % 1000), `member${i}`]).flat()],
  'GEOADD {z}geo 13.361389 38.115556 Palermo 15.087269 37.502669 Catania 2.349014 48.864716 Paris',
  'GEORADIUS {z}geo 15 37 200 km STORE {z}near',
  'GEORADIUSBYMEMBER {z}geo Palermo 200 km STORE {z}nearby',
  'GEOSEARCHSTORE {z}searched {z}geo FROMLONLAT 15 37 BYRADIUS 200 km ASC',
];

const bitmaps: readonly Line[] = [
  'SETBIT {b}a 7 1',
  'SETBIT {b}a 8191 1',
  'SETBIT {b}a 100000 1',
  'SETBIT {b}a 7 0',
  'SETBIT {b}a 3 1',
  'SETBIT {b}b 8192 1',
  'SETBIT {b}b 4 1',
  'BITOP OR {b}or {b}a {b}b',
  'BITOP AND {b}and {b}a {b}b',
  'BITOP XOR {b}xor {b}a {b}b',
  'BITOP NOT {b}not {b}b',
  'BITFIELD {b}field SET u8 0 200 SET i16 9600 -2 INCRBY u5 8189 9',
  'SET {b}string abc',
  'SETBIT {b}string 6 1',
];

const sketches: readonly Line[] = [
  ['PFADD', '{p}a', ...numbered('item', 500, (name) => [name])],
  ['PFADD', '{p}b', ...numbered('other', 300, (name) => [name])],
  'PFMERGE {p}merged {p}a {p}b',
  'BF.RESERVE {f}a 0.001 50 EXPANSION 4',
  'BF.RESERVE {f}fixed 0.01 200 NONSCALING',
  ['BF.MADD', '{f}a', ...numbered('item', 400, (name) => [name])],
  'BF.ADD {f}default item1',
  'BF.MADD {f}fixed item1 item2 item3',
  'BF.INSERT {f}inserted CAPACITY 1000 ERROR 0.02 EXPANSION 3 ITEMS item1 item2',
];

const sortedInts: readonly Line[] = [
  'SIADD {i}a 5 1 1000000 18446744073709551614',
  'SIREM {i}a 5',
  ['SIADD', '{i}many', ...Array.from({ length: 1000 }, (_, i) => String(i * i))],
];

const documents: readonly Line[] = [
  ['JSON.SET', '{j}a', '$', '{"a":1,"b":[1,2.5,{"c":"\xc3\xa9"}],"n":null,"t":true,"s":"text","o":{"x":1,"y":[]}}'],
  'JSON.NUMINCRBY {j}a $.a 41',
  'JSON.NUMMULTBY {j}a $.b[1] 2',
  'JSON.ARRAPPEND {j}a $.b "x" [1]',
  'JSON.ARRINSERT {j}a $.b 1 "in"',
  'JSON.ARRPOP {j}a $.b 0',
  'JSON.ARRTRIM {j}a $.b 0 2',
  'JSON.STRAPPEND {j}a $.s "-more"',
  'JSON.TOGGLE {j}a $.t',
  'JSON.MERGE {j}a $.o {"x":null,"z":{"deep":1}}',
  'JSON.SET {j}b $ {"x":[1,2],"y":{"z":1},"gone":1}',
  'JSON.CLEAR {j}b $.x',
  'JSON.DEL {j}b $.gone',
  'JSON.FORGET {j}b $.y.z',
  'JSON.MSET {j}c $ [1,2,3] {j}d $ "text"',
  ['JSON.SET', '{j}big', '$', JSON.stringify(Array.from({ length: 2000 }, (_, i) => ({ i, name: `number ${i}` })))],
  `PEXPIREAT {j}b ${expiryMs}`,
];

const streams: readonly Line[] = [
  ['XADD', '{x}a', '1-1', 'f', 'v', binary, ''],
  'XADD {x}a 2-0 f v2',
  'XADD {x}a 2-* f v3',
  'XADD {x}a MAXLEN = 100 3-5 last 1',
  'XADD {x}a 4-0 f v4',
  'XADD {x}a 5-0 f v5',
  'XADD {x}a * now x',
  'XDEL {x}a 2-0',
  'XGROUP CREATE {x}a group 0',
  'XGROUP CREATE {x}a tail $',
  'XGROUP CREATE {x}made group $ MKSTREAM',
  'XGROUP CREATECONSUMER {x}a group carol',
  'XREADGROUP GROUP group alice COUNT 3 STREAMS {x}a >',
  'XREADGROUP GROUP group bob COUNT 1 STREAMS {x}a >',
  'XACK {x}a group 1-1',
  'XCLAIM {x}a group bob 0 2-1',
  'XAUTOCLAIM {x}a group carol 0 3-0 COUNT 1',
  'XGROUP SETID {x}a tail 3-5',
  'XGROUP CREATE {x}a destroyed 0',
  'XGROUP DESTROY {x}a destroyed',
  'XGROUP DELCONSUMER {x}a group alice',
  ...Array.from({ length: 500 }, (_, i) => `XADD {x}many ${i + 1}-0 n ${i}`),
  'XTRIM {x}many MINID = 100',
  'XTRIM {x}many MAXLEN 300',
  'XSETID {x}many 1000-1',
  'XADD {x}one 1-1 f v',
  'XADD {x}one 2-1 f w',
  'XGROUP CREATE {x}one group 0',
  'XREADGROUP GROUP group alice STREAMS {x}one >',
  'XREADGROUP GROUP group bob COUNT 1 STREAMS {x}one 0',
  'XACK {x}one group 2-1',
];

const overTypes: readonly Line[] = [
  'SET {o}a string',
  'DEL {o}a',
  'HSET {o}a now a-hash',
  'HSET {o}b f v',
  'SET {o}b now-a-string',
  'LPUSH {o}c a b c',
  'DEL {o}c',
  'LPUSH {o}c d',
  'ZADD {o}d 1 a 2 b',
  'UNLINK {o}d',
  'SADD {o}e a b',
  'RENAME {o}e {o}renamed',
  'HSET {o}f f1 v1 f2 v2',
  'RENAMENX {o}f {o}renamed-too',
  'ZADD {o}g 1 a 2 b',
  'COPY {o}g {o}copied',
  'XADD {o}h 1-1 f v',
  'XGROUP CREATE {o}h group 0',
  'COPY {o}h {o}copied-stream',
  'RPUSH {o}numbers 3 1 2',
  'SORT {o}numbers DESC STORE {o}sorted',
  'SET {o}expire x',
  'EXPIRE {o}expire 1000000000',
  'SET {o}expireat x',
  'EXPIREAT {o}expireat 4102444800',
  'SADD {o}pexpire x',
  'PEXPIRE {o}pexpire 1000000000000',
  `PEXPIREAT {o}pexpire ${expiryMs}`,
  'ZADD {o}persist 1 a',
  'EXPIRE {o}persist 1000000000',
  'PERSIST {o}persist',
  // The number 10 in RDB version 10, as Redis dumps it.
  ['RESTORE', '{o}restored', '0', '\x00\xc0\n\n\x00n\x9fWE\x0e\xaec\xbb'],
];

const together: readonly Line[] = [
  'MULTI',
  'SET {m}a 1',
  'HSET {m}h f v',
  'RPUSH {m}l a b',
  'ZADD {m}z 1 a',
  'EXEC',
  [
    'EVAL',
    "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('HSET', KEYS[2], 'f', 'v')",
    '2',
    '{m}s',
    '{m}e',
    'x',
  ],
  ['SCRIPT', 'LOAD', "return 'loaded'"],
  ['FUNCTION', 'LOAD', "#!lua name=peers\nredis.register_function('peer', function(keys, args) return 'called' end)"],
  'PUBLISH channel message',
];

/** Keys that are dead, or about to be, though their records stand: they read as if they were not there. */
export const dying: readonly Line[] = [
  'SET {d}string x PX 1',
  'HSET {d}hash f v',
  'PEXPIRE {d}hash 1',
  'ZADD {d}zset 1 a',
  'PEXPIRE {d}zset 1',
  'JSON.SET {d}json $ 1',
  'PEXPIRE {d}json 1',
  'XADD {d}stream 1-1 f v',
  'PEXPIRE {d}stream 1',
];

const all: readonly (readonly Line[])[] = [
  strings,
  hashes,
  lists,
  sets,
  zsets,
  bitmaps,
  sketches,
  sortedInts,
  documents,
  streams,
  overTypes,
  together,
  dying,
];

/** The commands in order; none of them may be refused. */
export const everyWrite: readonly (readonly string[])[] = all
  .flat()
  .map((line) => (typeof line === 'string' ? line.split(' ') : line));

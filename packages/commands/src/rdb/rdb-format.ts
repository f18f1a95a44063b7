/**
 * The numbers of Redis' RDB value format, in which DUMP answers and RESTORE reads (redis/src/rdb.h tells them; the layout of
 * each value stands beside its reader and writer). A value is its type byte and its body; a payload of DUMP puts behind it
 * two bytes of version and eight of checksum.
 */

/** Type bytes. Those of modules, which nothing here can read, are left out. */
export const rdbType = {
  string: 0,
  list: 1,
  set: 2,
  zset: 3,
  hash: 4,
  zset2: 5,
  hashZipmap: 9,
  listZiplist: 10,
  setIntset: 11,
  zsetZiplist: 12,
  hashZiplist: 13,
  quicklist: 14,
  stream: 15,
  hashListpack: 16,
  zsetListpack: 17,
  quicklist2: 18,
  stream2: 19,
  setListpack: 20,
  stream3: 21,
  hashTimed: 24,
  hashListpackTimed: 25,
} as const;

/** Versions of the format. Each value is written with the first one that knows its type, so that old servers take it. */
export const rdbVersion = {
  /** Redis 2.6: strings, lists, sets, hashes. */
  oldest: 6,
  /** Redis 4: scores as doubles. */
  doubleScores: 8,
  /** Redis 7.0: streams with what was deleted from them. */
  streams: 10,
  /** Redis 7.4: fields with a time to die. */
  timedFields: 12,
  /** The highest that is read. */
  newest: 12,
} as const;

/**
 * Most bytes that the compressed strings of one payload may become: as many as one argument may have. A payload of a few
 * kilobytes could otherwise ask for any amount of memory.
 */
export const unpackedBytesMax: number = 512 << 20;

/** The bytes are no RDB value. Thrown by readers while they read, and caught by whoever began the reading. */
export class RdbFailure extends Error {
  constructor(what: string) {
    super(what);
    this.name = 'RdbFailure';
  }
}

/**
 * Directives of redis.conf that clients, frameworks and test suites set, and that have nothing to act on here: values are
 * checked, shown and kept, so that whoever sets them goes on. What would be a promise that is not kept (min-replicas-to-write,
 * appendfsync's durability, ACLs) is left out: setting that is an error.
 */
import type { BytesDirective, DirectiveTable, IntDirective, YesNoDirective } from '../directive.ts';

const encoding = 'How a type of value is held in memory; values are on disk here.';
const eviction = 'Eviction; nothing is evicted here, `max-db-size` bounds the database.';
const expiry = 'The work of expiring and freeing keys; dead keys are never seen and go by compaction.';

function int(defaultValue: number, doc: string, range: { min?: number; max?: number } = {}): IntDirective {
  return { type: 'int', ...range, default: defaultValue, when: 'run', effect: 'accepted', doc };
}

function switchOf(defaultValue: boolean, doc: string): YesNoDirective {
  return { type: 'yes-no', default: defaultValue, when: 'run', effect: 'accepted', doc };
}

function size(defaultValue: number, doc: string): BytesDirective {
  return { type: 'bytes', max: 2 ** 43, default: defaultValue, when: 'run', effect: 'accepted', doc };
}

/** Nothing reads them, so their names are in no type. */
export const redis: DirectiveTable = {
  'list-max-listpack-size': { ...int(-2, encoding, { min: -(2 ** 31) }), alias: 'list-max-ziplist-size' },
  'list-compress-depth': int(0, encoding),
  'hash-max-listpack-entries': { ...int(512, encoding), alias: 'hash-max-ziplist-entries' },
  'hash-max-listpack-value': { ...size(64, encoding), alias: 'hash-max-ziplist-value' },
  'set-max-intset-entries': int(512, encoding),
  'set-max-listpack-entries': int(128, encoding),
  'set-max-listpack-value': size(64, encoding),
  'zset-max-listpack-entries': { ...int(128, encoding), alias: 'zset-max-ziplist-entries' },
  'zset-max-listpack-value': { ...size(64, encoding), alias: 'zset-max-ziplist-value' },
  'stream-node-max-bytes': size(4096, encoding),
  'hll-sparse-max-bytes': size(3000, encoding),
  maxmemory: size(0, eviction),
  'maxmemory-policy': {
    type: 'word',
    allowed: [
      'noeviction',
      'allkeys-lru',
      'allkeys-lfu',
      'allkeys-random',
      'volatile-lru',
      'volatile-lfu',
      'volatile-random',
      'volatile-ttl',
    ],
    default: 'noeviction',
    when: 'run',
    effect: 'accepted',
    doc: eviction,
  },
  'maxmemory-samples': int(5, eviction, { min: 1, max: 64 }),
  'lfu-log-factor': int(10, eviction),
  'lfu-decay-time': int(1, eviction),
  save: {
    type: 'text',
    default: '',
    when: 'run',
    effect: 'accepted',
    doc: 'When to write a dump; every write is in the log here, and `bgsave-cron` makes backups.',
  },
  'rdb-key-save-delay': int(0, 'Slows a dump down for tests; a backup is made of hard links here.', {
    min: -(2 ** 31),
  }),
  appendonly: switchOf(false, 'A log of commands; every write is in the log of the database, whatever is set.'),
  'repl-backlog-size': size(1_048_576, 'What a replica can catch up with; here that is the log, `rocksdb.wal_*`.'),
  hz: int(10, expiry, { min: 1, max: 500 }),
  'dynamic-hz': switchOf(true, expiry),
  activerehashing: switchOf(true, expiry),
  'active-expire-effort': int(1, expiry, { min: 1, max: 10 }),
  'lazyfree-lazy-eviction': switchOf(false, expiry),
  'lazyfree-lazy-expire': switchOf(false, expiry),
  'lazyfree-lazy-server-del': switchOf(false, expiry),
  'lazyfree-lazy-user-del': switchOf(false, expiry),
  'lazyfree-lazy-user-flush': switchOf(false, expiry),
  'tracking-table-max-keys': int(1_000_000, 'Client-side caching, which is not supported.'),
  'client-query-buffer-limit': size(
    1_073_741_824,
    'Unread requests of a client; they are bounded by `proto-max-bulk-len`.',
  ),
};

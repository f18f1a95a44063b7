/** Kvrocks' column families. Their ids stand in WAL batches, so the order is part of the replication protocol. */
export const family = {
  /** Sub keys of every type except stream. RocksDB's `default`. */
  subkey: 0,
  /** One record per user key; the whole value of string and JSON. */
  metadata: 1,
  zsetScore: 2,
  pubsub: 3,
  propagate: 4,
  stream: 5,
  search: 6,
} as const;

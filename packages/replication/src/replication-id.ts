/**
 * Replication ids (`use-rsid-psync`): 16 characters that name a writer's stretch of history. A master draws one when its
 * process starts as master and when it becomes master, stores it by a normal write and ends every batch with a note of
 * it; replicas inherit it with the batches. Kvrocks `src/storage/storage.cc` (ShiftReplId).
 */
import { randomText, type Random } from '@holdfast/base';
import { family } from '@holdfast/engine';
import type { LogDatabase } from './replicated-log.ts';
import { replicationIdLength } from './write-batch.ts';

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** Key in the propagate family whose value is the id. */
export const replicationIdKey = 'replication_id_';

export function drawReplicationId(random: Random): string {
  return randomText(random, replicationIdLength, alphabet);
}

/** The id a database holds; undefined when none was ever stored. */
export function storedReplicationId(database: LogDatabase): string | undefined {
  const value = Buffer.alloc(replicationIdLength);
  const length = database.get(family.propagate, Buffer.from(replicationIdKey), value);
  return length === replicationIdLength ? value.latin1Slice(0, length) : undefined;
}

/**
 * Keys that lie in a wanted shard. A few register keys, written by all clients again and again, show stale reads and
 * wrong orders; a fresh key for every other write shows each single loss.
 */
import { assert } from '@holdfast/base';
import { slotOf } from '@holdfast/topology';
import type { ShardView } from './cluster.ts';

export interface ShardKeys {
  /** Keys that are written many times. */
  readonly registers: readonly string[];
  /** A key of this shard that no other call with another `name` returns. */
  fresh(name: string): string;
}

const tagCount = 32;

/** @param registerCount how many keys clients share. */
export function keysOf(shard: ShardView, registerCount: number): ShardKeys {
  const tags = tagsIn(shard, registerCount + tagCount);
  const registers = tags.slice(0, registerCount).map((tag) => `{${tag}}register`);
  const freshTags = tags.slice(registerCount);
  let next = 0;
  return {
    registers,
    fresh: (name): string => `{${freshTags[next++ % freshTags.length]}}${name}`,
  };
}

function tagsIn(shard: ShardView, count: number): string[] {
  assert(
    shard.slotRanges.some(([first, last]) => last - first >= 0),
    `shard ${shard.index} owns slots`,
  );
  const tags: string[] = [];
  for (let i = 0; tags.length < count; i++) {
    const tag = `s${shard.index}-${i}`;
    const slot = slotOf(Buffer.from(tag));
    if (shard.slotRanges.some(([first, last]) => slot >= first && slot <= last)) tags.push(tag);
  }
  return tags;
}

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
  readonly mixed: MixedKeys;
}

/** Keys of one slot for what is more than registers (mix.ts). */
export interface MixedKeys {
  /** A list that is only pushed to. */
  readonly log: string;
  /** A list that is pushed to and popped from. */
  readonly queue: string;
  /** The list that `queued` clients push to. */
  readonly late: string;
  readonly stream: string;
  readonly counter: string;
  /** Two keys that are written together. */
  readonly pair: readonly [string, string];
}

const tagCount = 32;

/** @param registerCount how many keys clients share. */
export function keysOf(shard: ShardView, registerCount: number): ShardKeys {
  const tags = tagsIn(shard, registerCount + tagCount + 1);
  const registers = tags.slice(0, registerCount).map((tag) => `{${tag}}register`);
  const freshTags = tags.slice(registerCount, -1);
  const mixed = `{${tags.at(-1) ?? ''}}`;
  let next = 0;
  return {
    registers,
    fresh: (name): string => `{${freshTags[next++ % freshTags.length]}}${name}`,
    mixed: {
      log: `${mixed}log`,
      queue: `${mixed}queue`,
      late: `${mixed}late`,
      stream: `${mixed}stream`,
      counter: `${mixed}counter`,
      pair: [`${mixed}one`, `${mixed}other`],
    },
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

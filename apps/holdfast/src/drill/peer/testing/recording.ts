/**
 * What six nodes of Redis 7.0.15 said around a hang: CLUSTER NODES and ROLE of each, every 20 ms, written down whenever
 * anything but ping times and links had changed. Three masters, a replica each, `cluster-node-timeout` 500 ms; the second
 * master was stopped with SIGSTOP and got SIGCONT 2.6 s later.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseWord, type NodeWord } from '../node-word.ts';
import type { PeerShard } from '../majority.ts';

type Entry =
  | { readonly atMs: number; readonly nodes: string; readonly role: readonly (string | number | [])[] }
  | { readonly atMs: number; readonly stopped: string }
  | { readonly atMs: number; readonly resumed: string };

/** Who is heard at a moment at which somebody said something new. */
export interface Moment {
  readonly atMs: number;
  /** The last word of every node that does not stand still. */
  readonly words: readonly NodeWord[];
  readonly phase: 'before' | 'stopped' | 'resumed';
}

/** @returns the moments from the first at which every node had spoken and knew every role. */
export function recordedHang(): Moment[] {
  const path = fileURLToPath(new URL('./redis-7.0-hang.jsonl', import.meta.url));
  const entries = readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Entry);
  const latest = new Map<string, NodeWord>();
  const moments: Moment[] = [];
  let phase: Moment['phase'] = 'before';
  let stopped: string | undefined;
  for (const entry of entries) {
    if ('stopped' in entry) [phase, stopped] = ['stopped', entry.stopped];
    else if ('resumed' in entry) [phase, stopped] = ['resumed', undefined];
    else {
      const word = parseWord(entry.nodes, entry.role, entry.atMs);
      latest.set(word.id, word);
    }
    const words = [...latest.values()].filter((word) => stopped === undefined || addressOf(word) !== stopped);
    if (moments.length > 0 || (words.length === 6 && words.every(knowsRoles)))
      moments.push({ atMs: entry.atMs, words, phase });
  }
  return moments;
}

function knowsRoles({ known }: NodeWord): boolean {
  return known.filter(({ role, masterId }) => role === 'slave' && masterId !== null).length === 3;
}

function addressOf({ id, known }: NodeWord): string | undefined {
  return known.find((node) => node.id === id)?.address;
}

/** The shards as the nodes of a moment describe them. */
export function shardsOf({ words }: Moment): PeerShard[] {
  const known = words[0]?.known ?? [];
  const masters = known.filter(({ slotRanges }) => slotRanges.length > 0);
  masters.sort((a, b) => (a.slotRanges[0]?.[0] ?? 0) - (b.slotRanges[0]?.[0] ?? 0));
  return masters.map((master, index) => {
    const replicas = known.filter(({ masterId }) => masterId === master.id);
    const nodes = [master, ...replicas].map(({ id, address }) => ({ id, address, notMasterMs: -Infinity }));
    const slots = master.slotRanges[0] ?? [0, 0];
    return { index, slots, nodes, masterId: master.id, epoch: master.configEpoch, health: 'well' };
  });
}

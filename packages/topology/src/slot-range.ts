/**
 * Slot ranges: how they are written, listed on a command line, and dealt out to shards.
 *
 * Two grammars exist, both Kvrocks' own. In a node line a range needs start < stop (node-lines.ts). In the slot list of
 * SETSLOT, which is parsed here, `5-5` is fine and every mistake has a text of its own.
 */
import { TopologyRefusal } from './refusal.ts';
import { isSlot, slotCount, type Slot } from './slot.ts';

/** Slots `start` to `stop`, both included. */
export interface SlotRange {
  readonly start: Slot;
  readonly stop: Slot;
}

/** `5` or `0-5460`. */
export function formatSlotRange({ start, stop }: SlotRange): string {
  return start === stop ? String(start) : `${start}-${stop}`;
}

/** `0-5460 5462`, in the order given. */
export function formatSlotRanges(ranges: readonly SlotRange[]): string {
  return ranges.map(formatSlotRange).join(' ');
}

/**
 * The slots for which `holds` says yes, as ranges in rising order; neighbours are merged.
 * @param holds asked once for each slot, in rising order.
 */
export function rangesWhere(holds: (slot: Slot) => boolean): SlotRange[] {
  const ranges: SlotRange[] = [];
  let start = -1;
  for (let slot = 0; slot <= slotCount; slot++) {
    const inside = slot < slotCount && holds(slot as Slot);
    if (inside && start < 0) start = slot;
    if (!inside && start >= 0) {
      ranges.push({ start: start as Slot, stop: (slot - 1) as Slot });
      start = -1;
    }
  }
  return ranges;
}

/**
 * Deals all slots out to `shards` shards as the Kvrocks controller does: equal parts rounded down, the rest to the last.
 * @returns one range per shard, in order.
 */
export function splitSlots(shards: number): SlotRange[] {
  if (!Number.isInteger(shards) || shards < 1 || shards > slotCount)
    throw new RangeError(`cannot split ${slotCount} slots over ${shards} shards: give 1 to ${slotCount}`);
  const size = Math.floor(slotCount / shards);
  return Array.from({ length: shards }, (_, index) => ({
    start: (index * size) as Slot,
    stop: (index === shards - 1 ? slotCount - 1 : (index + 1) * size - 1) as Slot,
  }));
}

/**
 * Reads the slot list of `CLUSTERX SETSLOT`: items `n` or `a-b` (a <= b) separated by blanks.
 * Texts of the refusals are Kvrocks' own (src/cluster/redis_slot.cc).
 */
export function parseSlotList(text: string): SlotRange[] | TopologyRefusal {
  if (text === '') return new TopologyRefusal('No slots to parse.');
  const items = text.split(' ').filter((item) => item !== '');
  if (items.length === 0) {
    return new TopologyRefusal(`Invalid slots: \`${text}\`. No slots to parse. Please use spaces to separate slots.`);
  }
  const ranges: SlotRange[] = [];
  for (const item of items) {
    const range = item.includes('-') ? parseRangeItem(item) : parseSingleItem(item);
    if (range instanceof TopologyRefusal) return range;
    ranges.push(range);
  }
  return ranges;
}

function parseSingleItem(item: string): SlotRange | TopologyRefusal {
  if (!/^[0-9]/.test(item)) return new TopologyRefusal('Invalid slot id: not started as an integer');
  if (!/^[0-9]+$/.test(item)) return new TopologyRefusal('Invalid slot id: encounter non-integer characters');
  const slot = Number(item);
  if (!isSlot(slot)) return new TopologyRefusal('Invalid slot id: out of numeric range');
  return { start: slot, stop: slot };
}

function parseRangeItem(item: string): SlotRange | TopologyRefusal {
  const prefix = `Invalid slot range: \`${item}\`. `;
  if (item.startsWith('-') || item.endsWith('-'))
    return new TopologyRefusal(`${prefix}The character '-' can't appear in the first or last position.`);
  const parts = item.split('-').filter((part) => part !== '');
  if (parts.length !== 2) return new TopologyRefusal(`${prefix}The slot range should be of the form \`int1-int2\`.`);
  const [start, stop] = parts.map((part) => (/^[0-9]+$/.test(part) ? Number(part) : NaN)) as [number, number];
  if (!isSlot(start) || !isSlot(stop) || start > stop) {
    return new TopologyRefusal(`${prefix}The slot range \`int1-int2\` needs to satisfy the condition (int1 <= int2).`);
  }
  return { start, stop };
}

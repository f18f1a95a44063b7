/**
 * Which of the 16384 slots a key lies in: CRC16 (XMODEM: polynomial 0x1021, initial value 0, nothing reflected) of the
 * key, or of its hash tag, modulo 16384. The tag is what stands between the first `{` and the first `}` after it, unless
 * that is empty; keys with the same tag share a slot, which is how clients keep keys together.
 *
 * Computed for every key of every command, so it works on a window of the connection's buffer: nothing is copied.
 */

declare const slotBrand: unique symbol;

/** A slot, 0..16383. */
export type Slot = number & { readonly [slotBrand]: true };

export const slotCount = 16384;

const openBrace = 0x7b;
const closeBrace = 0x7d;

const table: Uint16Array = new Uint16Array(256);
for (let byte = 0; byte < 256; byte++) {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
  table[byte] = crc & 0xffff;
}

/** CRC16/XMODEM of `bytes[start .. end)`. The check value of `123456789` is 0x31c3. */
export function crc16(bytes: Uint8Array, start: number, end: number): number {
  let crc = 0;
  for (let at = start; at < end; at++) {
    crc = ((crc << 8) ^ (table[((crc >> 8) ^ (bytes[at] as number)) & 0xff] as number)) & 0xffff;
  }
  return crc;
}

/** The slot of the key `bytes[start .. end)`. */
export function slotOf(bytes: Uint8Array, start = 0, end: number = bytes.length): Slot {
  for (let open = start; open < end; open++) {
    if (bytes[open] !== openBrace) continue;
    for (let close = open + 1; close < end; close++) {
      if (bytes[close] !== closeBrace) continue;
      if (close === open + 1) break; // `{}`: an empty tag counts as none, and only the first brace is looked at
      return (crc16(bytes, open + 1, close) & (slotCount - 1)) as Slot;
    }
    break;
  }
  return (crc16(bytes, start, end) & (slotCount - 1)) as Slot;
}

export function isSlot(value: number): value is Slot {
  return Number.isInteger(value) && value >= 0 && value < slotCount;
}

/**
 * The two orders of bits in a byte. Bitmaps count from the least significant bit, strings (and Redis) from the most
 * significant one, so a byte that crosses from one to the other is turned around.
 */

/** Every byte with its bits in the other order. */
export const turned: Uint8Array = new Uint8Array(256);
/** How many bits of every byte are 1. */
export const onesIn: Uint8Array = new Uint8Array(256);

for (let byte = 0; byte < 256; byte++) {
  for (let bit = 0; bit < 8; bit++) {
    if ((byte & (1 << bit)) === 0) continue;
    turned[byte] = (turned[byte] as number) | (0x80 >> bit);
    onesIn[byte] = (onesIn[byte] as number) + 1;
  }
}

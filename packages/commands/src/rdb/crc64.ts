/**
 * The checksum at the end of DUMP payloads and RDB files: CRC-64 with the polynomial of David Jones, reflected, starting
 * at 0. Kept as two 32-bit halves, for payloads may have hundreds of megabytes and BigInt would make each byte an object.
 */

/** The polynomial ad93d23594c935a9 with its bits turned round, in halves. */
const polynomialHigh = 0x95ac9329;
const polynomialLow = 0xac4bc9b5;

const tableHigh = new Uint32Array(256);
const tableLow = new Uint32Array(256);
for (let index = 0; index < 256; index++) {
  let high = 0;
  let low = index;
  for (let bit = 0; bit < 8; bit++) {
    const carry = low & 1;
    low = (low >>> 1) | ((high & 1) << 31);
    high >>>= 1;
    if (carry === 1) {
      high ^= polynomialHigh;
      low ^= polynomialLow;
    }
  }
  tableHigh[index] = high;
  tableLow[index] = low;
}

/** The checksum of the bytes from `start` to before `end`, as the eight bytes of it, least significant first. */
export function crc64(bytes: Uint8Array, start = 0, end: number = bytes.length): Buffer {
  let high = 0;
  let low = 0;
  for (let at = start; at < end; at++) {
    const index = (low ^ (bytes[at] as number)) & 0xff;
    low = ((low >>> 8) | (high << 24)) ^ (tableLow[index] as number);
    high = (high >>> 8) ^ (tableHigh[index] as number);
  }
  const sum = Buffer.allocUnsafe(8);
  sum.writeUInt32LE(low >>> 0, 0);
  sum.writeUInt32LE(high >>> 0, 4);
  return sum;
}

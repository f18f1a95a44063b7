/** WAL files made by hand: what no writer of ours would leave, but a disk, or another program, can. */

/** CRC-32C, bit by bit. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}

/** A log file of whole records (RocksDB's log format: masked CRC of type and data, length, type 1). */
export function logFile(...records: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    records.flatMap((data) => {
      const head = Buffer.alloc(7);
      head.writeUInt8(1, 6);
      const crc = crc32c(Buffer.concat([head.subarray(6), data]));
      head.writeUInt32LE(((((crc >>> 15) | (crc << 17)) >>> 0) + 0xa282ead8) % 2 ** 32, 0);
      head.writeUInt16LE(data.length, 4);
      return [head, data];
    }),
  );
}

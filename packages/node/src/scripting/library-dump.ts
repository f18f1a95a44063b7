/**
 * What FUNCTION DUMP gives and FUNCTION RESTORE takes, in Redis' form: for each library the byte 245 and its text as an RDB
 * string; then the RDB version (u16) and the CRC-64 of all before it, both little-endian.
 */
const functionOpcode = 245;
/** That of Redis 7.0: every Redis with functions reads it. */
const version = 10;
const versionMax = 11;
const footerBytes = 10;
/** Of all texts of a dump that are compressed together: few bytes can be made to stand for very many. */
const decompressedBytesMax = 64 << 20;

/** CRC-64/Jones, reflected. */
const polynomial = 0x95ac9329ac4bc9b5n;

const table: readonly bigint[] = Array.from({ length: 256 }, (_, byte) => {
  let crc = BigInt(byte);
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1n) === 1n ? (crc >> 1n) ^ polynomial : crc >> 1n;
  return crc;
});

function crc64(bytes: Buffer): bigint {
  let crc = 0n;
  for (const byte of bytes) crc = (table[Number(crc & 0xffn) ^ byte] as bigint) ^ (crc >> 8n);
  return crc;
}

function stringHeader(length: number): Buffer {
  if (length < 64) return Buffer.of(length);
  if (length < 16384) return Buffer.of(64 | (length >> 8), length & 255);
  const header = Buffer.alloc(5);
  header[0] = 0x80;
  header.writeUInt32BE(length, 1);
  return header;
}

export function dumpLibraries(codes: readonly Buffer[]): Buffer {
  const parts = codes.flatMap((code) => [Buffer.of(functionOpcode), stringHeader(code.length), code]);
  const body = Buffer.concat([...parts, Buffer.of(version, 0)]);
  const footer = Buffer.alloc(8);
  footer.writeBigUInt64LE(crc64(body));
  return Buffer.concat([body, footer]);
}

const wrongPayload = 'ERR DUMP payload version or checksum are wrong';
const wrongBody = 'ERR failed loading functions';

/** @returns the libraries' texts, or an error line. */
export function readDump(payload: Buffer): Buffer[] | string {
  if (payload.length < footerBytes) return wrongPayload;
  const end = payload.length - footerBytes;
  const sum = payload.readBigUInt64LE(payload.length - 8);
  const isKnown = payload.readUInt16LE(end) <= versionMax;
  if (!isKnown || (sum !== 0n && sum !== crc64(payload.subarray(0, payload.length - 8)))) return wrongPayload;
  const reader = new StringReader(payload.subarray(0, end));
  const codes: Buffer[] = [];
  while (!reader.atEnd) {
    if (reader.byte() !== functionOpcode) return 'ERR given type is not a function';
    const code = reader.string();
    if (code === undefined) return wrongBody;
    codes.push(code);
  }
  return codes;
}

/** RDB strings. Everything is undefined where the bytes do not suffice. */
class StringReader {
  readonly #bytes: Buffer;
  #at = 0;
  #decompressibleBytes = decompressedBytesMax;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  byte(): number | undefined {
    return this.#bytes[this.#at++];
  }

  /** A length; negative: an encoding, -1 minus its number. */
  #length(): number | undefined {
    const first = this.byte();
    if (first === undefined) return undefined;
    switch (first >> 6) {
      case 0:
        return first;
      case 1: {
        const second = this.byte();
        return second === undefined ? undefined : ((first & 63) << 8) | second;
      }
      case 2: {
        const width = first === 0x81 ? 8 : 4;
        if (this.#at + width > this.#bytes.length) return undefined;
        const length = width === 8 ? Number(this.#bytes.readBigUInt64BE(this.#at)) : this.#bytes.readUInt32BE(this.#at);
        this.#at += width;
        return length;
      }
      default:
        return -1 - (first & 63);
    }
  }

  #take(length: number): Buffer | undefined {
    if (length > this.#bytes.length - this.#at) return undefined;
    this.#at += length;
    return Buffer.from(this.#bytes.subarray(this.#at - length, this.#at));
  }

  string(): Buffer | undefined {
    const length = this.#length();
    if (length === undefined) return undefined;
    if (length >= 0) return this.#take(length);
    // Whole numbers are no texts of libraries; what is left is compressed text.
    if (length !== -4) return undefined;
    const compressed = this.#length();
    const whole = this.#length();
    if (compressed === undefined || whole === undefined || compressed < 0 || whole < 0) return undefined;
    if (whole > this.#decompressibleBytes) return undefined;
    this.#decompressibleBytes -= whole;
    const bytes = this.#take(compressed);
    return bytes === undefined ? undefined : decompress(bytes, whole);
  }
}

/** LZF: runs of literals, and references back by up to 8 KiB. */
function decompress(from: Buffer, length: number): Buffer | undefined {
  // Two bytes make 264 at the most.
  if (length > from.length * 264) return undefined;
  const to = Buffer.alloc(length);
  let at = 0;
  let out = 0;
  while (at < from.length) {
    const control = from[at++] as number;
    if (control < 32) {
      const count = control + 1;
      if (at + count > from.length || out + count > length) return undefined;
      from.copy(to, out, at, at + count);
      at += count;
      out += count;
      continue;
    }
    let count = control >> 5;
    if (count === 7) count += from[at++] ?? 0;
    const back = ((control & 31) << 8) + (from[at++] ?? 0) + 1;
    count += 2;
    if (back > out || out + count > length) return undefined;
    for (let i = 0; i < count; i++, out++) to[out] = to[out - back] as number;
  }
  return out === length ? to : undefined;
}

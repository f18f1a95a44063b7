/** Write batches as bytes, made record by record: an implementation of the format apart from the one under test. */

export type Part =
  | { readonly put: readonly [family: number, key: string, value: string] }
  | { readonly remove: readonly [family: number, key: string] }
  | { readonly log: string };

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return bytes;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  return Buffer.concat([Buffer.from(varint(bytes.length)), bytes]);
}

export function batch(sequence: number, ...parts: readonly Part[]): Buffer {
  const header = Buffer.alloc(12);
  header.writeBigUInt64LE(BigInt(sequence));
  const body: Buffer[] = [];
  let count = 0;
  for (const part of parts) {
    if ('log' in part) body.push(Buffer.from([3]), text(part.log));
    else if ('put' in part) {
      const [family, key, value] = part.put;
      body.push(Buffer.from([5, ...varint(family)]), text(key), text(value));
      count++;
    } else {
      const [family, key] = part.remove;
      body.push(Buffer.from([4, ...varint(family)]), text(key));
      count++;
    }
  }
  header.writeUInt32LE(count, 8);
  return Buffer.concat([header, ...body]);
}

export const put = (key: string, value: string, family = 1): Part => ({ put: [family, key, value] });
export const note = (id: string): Part => ({ log: `r ${id}` });
export const storeId = (id: string): Part => ({ put: [4, 'replication_id_', id] });

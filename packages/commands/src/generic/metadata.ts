/** KMETADATA, and OBJECT DUMP, its name before Kvrocks 2.12: what the metadata record of a key says. */
import { typeId, typeName, type DataTypes, type UserKey } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { define, firstKey, type CommandDefinition } from '../command.ts';
import { itself, keyOf } from '../data/arguments.ts';

/** Names and values of the record; nothing when there is no such key. Names are Kvrocks'. */
function metadataOf({ records }: DataTypes, key: UserKey, nowMs: number): string[] {
  if (!records.load(key, nowMs)) return [];
  const { meta } = records;
  const version = (BigInt(meta.high) << 32n) | BigInt(meta.low);
  const facts = [
    ['namespace', key.namespace.name],
    ['type', typeName(meta.type)],
    ['version', version.toString()],
    ['expire', String(Math.floor((meta.expireMs + 499) / 1000))],
    ['pexpire', String(meta.expireMs)],
    ['size', String(meta.size)],
    ['is_64bit_common_field', meta.is64 ? '1' : '0'],
    ['created_at', createdAt(version)],
  ];
  if (meta.type === typeId.list) {
    const { buffer, start, end } = records.body();
    if (end - start >= 16) {
      facts.push(
        ['head', buffer.readBigUInt64BE(start).toString()],
        ['tail', buffer.readBigUInt64BE(start + 8).toString()],
      );
    }
  }
  return facts.flat();
}

/** A version begins with the time in microseconds at which it was made. */
function createdAt(version: bigint): string {
  const microseconds = version >> 11n;
  const text = new Date(Number(microseconds / 1000n)).toISOString();
  return `${text.slice(0, 10)} ${text.slice(11, 19)}.${(microseconds % 1_000_000n).toString().padStart(6, '0')}`;
}

export function replyMetadata(types: DataTypes, key: UserKey, nowMs: number, reply: ReplyWriter): void {
  const facts = metadataOf(types, key, nowMs);
  reply.array(facts.length);
  for (const fact of facts) reply.bulkText(fact);
}

export function metadataCommand(types: DataTypes): CommandDefinition {
  return define<Request>({
    name: 'kmetadata',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: firstKey,
    group: 'generic',
    since: 'Kvrocks 2.12.0',
    complexity: 'O(1)',
    summary: 'Returns what is stored of a key besides its elements: type, version, expiry, size. Times are UTC.',
    parse: itself,
    run: (call, request, reply) => replyMetadata(types, keyOf(call, request, 1), call.nowMs, reply),
  });
}

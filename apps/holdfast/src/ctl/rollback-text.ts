/** How rollback files and their operations are written: for people, as JSON, as commands on the wire. */
import Table from 'cli-table3';
import { lastEpoch, mayBeAcknowledged, type Operation, type RollbackEntry } from '@holdfast/replication';
import { encodeCommand } from '@holdfast/resp';

/** JSON of one thing in the rollback directory; what cannot be read has a problem and nothing else but name and size. */
export function entryJson({ name, kind, sizeBytes, part, problem }: RollbackEntry): object {
  const file = { name, kind, bytes: sizeBytes };
  return part === undefined ? { ...file, problem: problem ?? null } : { ...file, ...partJson(part), problem: null };
}

function partJson(part: Part): object {
  return {
    epoch: lastEpoch(part.epochs),
    epochs: part.epochs.map(({ epoch, firstSequence }) => ({ epoch, first: firstSequence })),
    first: part.first,
    last: part.last,
    records: part.last - part.first + 1,
    mode: part.mode,
    acknowledged: acknowledged(part),
    when: new Date(part.atMs).toISOString(),
    node_id: part.nodeId,
    log_id: part.logId,
  };
}

type Part = NonNullable<RollbackEntry['part']>;

/** Whether clients may have been told that what is in it is safe. */
function acknowledged(part: Part): 'possible' | 'no' {
  return mayBeAcknowledged(part) ? 'possible' : 'no';
}

export function entriesTable(entries: readonly RollbackEntry[]): string {
  const table = new Table({
    head: ['name', 'epoch', 'first', 'last', 'records', 'bytes', 'mode', 'acknowledged', 'when'],
    style: { head: [], border: [], compact: true },
  });
  for (const { name, sizeBytes, part } of entries)
    table.push(
      part === undefined
        ? [name, '?', '?', '?', '?', String(sizeBytes), '?', '?', '?']
        : [
            name,
            String(lastEpoch(part.epochs)),
            String(part.first),
            String(part.last),
            String(part.last - part.first + 1),
            String(sizeBytes),
            part.mode,
            acknowledged(part),
            new Date(part.atMs).toISOString(),
          ],
    );
  return table.toString();
}

/** What stands above the operations of a file. */
export function partLines(name: string, part: Part): string {
  const epochs = part.epochs.map(({ epoch, firstSequence }) => `${epoch} from ${firstSequence}`).join(', ');
  const said =
    acknowledged(part) === 'possible'
      ? `mode ${part.mode}: clients may have been told that these writes are safe`
      : 'mode sync: no client was told that these writes are safe';
  return [
    `${name}: sequences ${part.first} to ${part.last}, epoch ${epochs}`,
    `node ${part.nodeId}, log ${part.logId}, given up ${new Date(part.atMs).toISOString()}`,
    said,
  ].join('\n');
}

/** One operation for people: `<sequence>  SET key value`, and what is no command in brackets. */
export function operationLine(operation: Operation): string {
  const { sequence, words, kind } = operation;
  if (words !== undefined) return `${sequence}  ${words.map(quoted).join(' ')}`;
  const key = quoted(operation.key ?? operation.raw.key);
  const subkey = operation.subkey === undefined ? '' : ` ${quoted(operation.subkey)}`;
  const type = operation.type === undefined ? '' : ` ${operation.type}`;
  const where =
    operation.namespace === undefined || operation.namespace === '__namespace' ? '' : ` of ${operation.namespace}`;
  const value = kind === 'note' ? '' : `, ${operation.raw.value.length} bytes`;
  return `${sequence}  [${operation.action} ${operation.family}${type}${where} ${key}${subkey}${value}]`;
}

/** As redis-cli shows it: a plain word as it is, else in quotes with escapes; long ones are cut. */
function quoted(word: string | Buffer): string {
  const bytes = Buffer.from(word);
  const shown = bytes.subarray(0, shownBytesMax);
  const text = shown.toString('latin1');
  const more = bytes.length > shownBytesMax ? `… (${bytes.length} bytes)` : '';
  if (/^[!#-&(-[\]-~]+$/.test(text)) return text + more;
  const escaped = text.replace(/["\\]/g, '\\$&').replace(/[^ -~]/g, (byte) => `\\x${hex(byte.charCodeAt(0))}`);
  return `"${escaped}"${more}`;
}

const shownBytesMax = 64;

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}

/** One operation as an object: bytes that are UTF-8 under their name, others as `<name>_base64`. */
export function operationJson(operation: Operation): object {
  const { sequence, kind, family, action, type, namespace, key, subkey, expireMs, words, raw } = operation;
  return {
    sequence,
    kind,
    family,
    action,
    ...(type === undefined ? {} : { type }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(key === undefined ? {} : bytesJson('key', key)),
    ...(subkey === undefined ? {} : bytesJson('subkey', subkey)),
    ...(expireMs === undefined || expireMs === 0 ? {} : { expire_ms: expireMs }),
    ...(words === undefined
      ? { stored_key_base64: raw.key.toString('base64'), stored_value_base64: raw.value.toString('base64') }
      : { command: words.map((word) => wordJson(Buffer.from(word))) }),
  };
}

function bytesJson(name: string, bytes: Buffer): Record<string, string> {
  const text = utf8(bytes);
  return text === undefined ? { [`${name}_base64`]: bytes.toString('base64') } : { [name]: text };
}

/** A word of a command: text, or an object for bytes that are none. */
function wordJson(bytes: Buffer): string | object {
  return utf8(bytes) ?? { base64: bytes.toString('base64') };
}

function utf8(bytes: Buffer): string | undefined {
  const text = bytes.toString();
  return Buffer.from(text).equals(bytes) ? text : undefined;
}

/** The command on the wire, as `redis-cli --pipe` takes it. */
export function operationRequest(operation: Operation): Buffer | undefined {
  return operation.words === undefined ? undefined : Buffer.from(encodeCommand(operation.words));
}

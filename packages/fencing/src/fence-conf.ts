/**
 * fence.conf: the fence record on disk.
 *
 * The file is written whole (temp, fsync, rename, fsync-dir by the caller) and read strictly: every line in its place,
 * and a checksum of all before it at the end. A file that is torn, edited or from another version is refused with its
 * line, because a node that guessed its epoch could act as master in one it had given up.
 *
 *     holdfast-fence 1
 *     epoch 3
 *     isr-version 0
 *     lease-ms 1000
 *     master <node id or ->
 *     process <process id or ->
 *     isr <node:log,… or ->
 *     controllers <id,… or ->
 *     resigned 2
 *     armed yes
 *     mode strict
 *     log <log id>
 *     boot <boot id>
 *     crc32 <8 hexadecimal digits over all bytes above>
 */
import { leaseModes, type FenceRecord, type LeaseMode } from './fence-record.ts';
import { isNodeId, isRandomId, leaseMsBounds, maxEpoch, parseWholeWithin } from './ids.ts';
import { formatIsr, parseControllers, parseIsr } from './shard-message.ts';

export type ParsedFenceConf =
  | { readonly kind: 'ok'; readonly record: FenceRecord }
  | { readonly kind: 'refused'; readonly line: number; readonly error: string };

/** The whole text of fence.conf for `record`. */
export function formatFenceConf(record: FenceRecord): string {
  const body = [
    'holdfast-fence 1',
    `epoch ${record.epoch}`,
    `isr-version ${record.isrVersion}`,
    `lease-ms ${record.leaseMs}`,
    `master ${record.masterId}`,
    `process ${record.processId}`,
    `isr ${formatIsr(record.isr)}`,
    `controllers ${record.controllers.length === 0 ? '-' : record.controllers.join(',')}`,
    `resigned ${record.resignedEpoch}`,
    `armed ${record.armed ? 'yes' : 'no'}`,
    `mode ${record.mode}`,
    `log ${record.logId}`,
    `boot ${record.bootId}`,
    '',
  ].join('\n');
  return `${body}crc32 ${checksum(body)}\n`;
}

interface Field<T> {
  readonly word: string;
  readonly allowed: string;
  /** `undefined`: not allowed. */
  parse(text: string): T | undefined;
}

const whole = (word: string, min: number, max: number): Field<number> => ({
  word,
  allowed: `a whole number in ${min}..${max}`,
  parse: (text) => parseWholeWithin(text, min, max),
});
const text = (word: string, allowed: string, isAllowed: (value: string) => boolean): Field<string> => ({
  word,
  allowed,
  parse: (value) => (isAllowed(value) ? value : undefined),
});

const fields = {
  format: text('holdfast-fence', 'format 1', (value) => value === '1'),
  epoch: whole('epoch', 0, maxEpoch),
  isrVersion: whole('isr-version', 0, Number.MAX_SAFE_INTEGER),
  leaseMs: whole('lease-ms', 0, leaseMsBounds.max),
  masterId: text('master', 'a node id of 40 characters or -', (value) => value === '-' || isNodeId(value)),
  processId: text('process', 'a process id or -', (value) => value === '-' || isRandomId(value)),
  isr: { word: 'isr', allowed: 'node:log,… or -', parse: parseIsr },
  controllers: { word: 'controllers', allowed: 'id,… or -', parse: parseControllers },
  resignedEpoch: whole('resigned', 0, maxEpoch),
  armed: text('armed', 'yes or no', (value) => value === 'yes' || value === 'no'),
  mode: text('mode', leaseModes.join(', '), (value) => (leaseModes as readonly string[]).includes(value)),
  logId: text('log', 'a log id', isRandomId),
  bootId: text('boot', 'a boot id without blanks', (value) => /^[0-9a-zA-Z-]{1,64}$/.test(value)),
};

type Values = { [K in keyof typeof fields]: NonNullable<ReturnType<(typeof fields)[K]['parse']>> };

/**
 * Reads fence.conf.
 * @returns a refusal with the 1-based line and what was expected there; the caller does not start.
 */
export function parseFenceConf(content: string): ParsedFenceConf {
  const lines = content.split('\n');
  const values: Partial<Record<keyof typeof fields, unknown>> = {};
  let line = 0;
  for (const [name, field] of Object.entries(fields)) {
    const found = lines[line++] ?? '';
    const isLast = line >= lines.length;
    if (isLast) return refuse(line, `the file ends before '${field.word}': it is torn`);
    const value = found.startsWith(`${field.word} `) ? field.parse(found.slice(field.word.length + 1)) : undefined;
    if (value === undefined) return refuse(line, `expected '${field.word} <${field.allowed}>', found '${found}'`);
    values[name as keyof typeof fields] = value;
  }
  const body = `${lines.slice(0, line).join('\n')}\n`;
  const last = lines[line++] ?? '';
  if (last !== `crc32 ${checksum(body)}`) return refuse(line, `expected 'crc32 ${checksum(body)}', found '${last}'`);
  if (lines.length === line) return refuse(line, 'the last line has no end: the file is torn');
  if (lines.length > line + 1 || lines[line] !== '') return refuse(line + 1, 'expected the end of the file');
  const { format: _format, armed, mode, ...rest } = values as Values;
  return consistent({ ...rest, armed: armed === 'yes', mode: mode as LeaseMode });
}

/** Two fields of one record may contradict each other only in a file that somebody edited and summed again. */
function consistent(record: FenceRecord): ParsedFenceConf {
  if (record.armed && (record.mode !== 'strict' || record.epoch === 0))
    return refuse(10, 'armed without strict or epoch');
  if (record.resignedEpoch > record.epoch) return refuse(9, `resigned ${record.resignedEpoch} is above the epoch`);
  if ((record.masterId === '-') !== (record.processId === '-')) return refuse(6, 'master and process do not agree');
  return { kind: 'ok', record };
}

function refuse(line: number, error: string): ParsedFenceConf {
  return { kind: 'refused', line, error };
}

/** CRC-32 (IEEE 802.3, reflected) of ASCII text, as 8 hexadecimal digits. */
function checksum(ascii: string): string {
  let crc = 0xffffffff;
  for (let i = 0; i < ascii.length; i++) {
    crc ^= ascii.charCodeAt(i) & 0xff;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ((crc ^ 0xffffffff) >>> 0).toString(16).padStart(8, '0');
}

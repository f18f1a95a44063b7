// What a real Kvrocks 2.10.1 wrote and answered (tests/fixtures/kvrocks-2.10) against our commands: we open its data,
// apply what it sent to a replica, and write the records it wrote.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { BatchReader, countOf, family, sequenceOf, typeId } from '@holdfast/engine';
import { CommandRunner, openTestCommands } from './testing/command-runner.ts';
import { openTestEngine } from '@holdfast/engine/testing';

const fixtures = join(import.meta.dirname, '../../../../tests/fixtures/kvrocks-2.10');

interface Exchange {
  readonly command: readonly (string | { hex: string })[];
  readonly reply: string;
}

function exchanges(folder: string, file: string): Exchange[] {
  return JSON.parse(readFileSync(join(fixtures, folder, file), 'utf8')) as Exchange[];
}

function argumentsOf({ command }: Exchange): (string | Buffer)[] {
  return command.map((arg) => (typeof arg === 'string' ? arg : Buffer.from(arg.hex, 'hex')));
}

/** After everything that was recorded, long before the expiries in it. */
const nowMs = 1_900_000_000_000;

/** Kvrocks prints doubles with 17 digits; Redis 7.2, and we, as short as they read back, and distances with four decimals. */
const otherDigits = ['ZRANGE', 'GEOPOS', 'GEODIST'];

/** A reply with the numbers in it cut to what is compared. */
function comparable(reply: string, name: string): string {
  if (!otherDigits.includes(name)) return reply;
  return reply.replaceAll(/\$\d+\r\n(-?\d[\d.e+]*)\r\n/g, (_, digits: string) => `~${Number(digits).toPrecision(7)} `);
}

/** Checks every recorded read of a command we have. @returns how many there were. */
function checkReads(runner: CommandRunner, folder: string): number {
  runner.nowMs = nowMs;
  let checked = 0;
  for (const exchange of exchanges(folder, 'reads.json')) {
    const args = argumentsOf(exchange);
    if (!runner.definitions.has(String(args[0]).toLowerCase())) continue;
    const name = String(args[0]);
    const reply = comparable(runner.run(...args), name);
    assert.equal(reply, comparable(exchange.reply, name), `${folder}: ${name} ${String(args[1])}`);
    checked++;
  }
  assert.equal(runner.run('KEYS', '*'), readFileSync(join(fixtures, folder, 'keys.resp'), 'latin1'));
  return checked;
}

for (const folder of ['standalone', 'standalone-compacted', 'cluster']) {
  test(`the data directory of a Kvrocks (${folder}) answers its string, hash and key reads`, async () => {
    const dir = mkdtempSync(join(tmpdir(), 'holdfast-fixture-'));
    execFileSync('tar', ['-xzf', join(fixtures, folder, 'data.tar.gz'), '-C', dir]);
    await using opened = await openTestCommands(folder === 'cluster', dir);
    assert.ok(checkReads(opened.runner, folder) >= 22);
  });
}

/** The raw batches of a recorded PSYNC stream. */
function recordedBatches(folder: string): Buffer[] {
  const bytes = readFileSync(join(fixtures, folder, 'psync-1.bin'));
  const batches: Buffer[] = [];
  let at = bytes.indexOf('\r\n') + 2;
  while (at < bytes.length) {
    const lineEnd = bytes.indexOf('\r\n', at);
    const length = Number(bytes.toString('latin1', at + 1, lineEnd));
    const batch = bytes.subarray(lineEnd + 2, lineEnd + 2 + length);
    if (batch.toString('latin1') !== 'ping') batches.push(batch);
    at = lineEnd + 2 + length + 2;
  }
  return batches;
}

for (const folder of ['standalone', 'cluster']) {
  test(`a replica that applies the recorded stream (${folder}) answers as the data directory does`, async () => {
    await using opened = await openTestCommands(folder === 'cluster');
    const batches = recordedBatches(folder);
    const { engine } = opened.opened;
    // Cut into several applications, as they arrive from a socket.
    for (let i = 0; i < batches.length; i += 7) {
      const some = batches.slice(i, i + 7);
      const lengths = Uint32Array.from(some.map((batch) => batch.length));
      const last = some.at(-1) as Buffer;
      assert.equal(
        engine.applyReplicated(Buffer.concat(some), lengths, some.length),
        sequenceOf(last) + countOf(last) - 1,
      );
    }
    assert.ok(checkReads(opened.runner, folder) >= 22);
  });
}

const noVersion = Buffer.alloc(8);

/** Where the version stands in a sub key: `u8 nsLen | ns | [u16 slot] | u32 keyLen | key | version | …`. */
function versionAtOf(key: Buffer, hasSlots: boolean): number {
  const keyAt = 1 + (key[0] as number) + (hasSlots ? 2 : 0);
  return keyAt + 4 + key.readUInt32BE(keyAt);
}

/** A sub key with zeros for the version of its collection. */
function withoutKeyVersion(key: Buffer, hasSlots: boolean): Buffer {
  const versionAt = versionAtOf(key, hasSlots);
  return Buffer.concat([key.subarray(0, versionAt), noVersion, key.subarray(versionAt + 8)]);
}

/** A metadata record with zeros for the version; strings and JSON have none. */
function withoutVersion(value: Buffer): Buffer {
  const type = (value[0] ?? 0) & 0x0f;
  if (type === typeId.string || type === typeId.json) return value;
  return Buffer.concat([value.subarray(0, 9), noVersion, value.subarray(17)]);
}

/**
 * Of groups in streams, by kind: what is blanked. Times; and where Kvrocks 2.10 does less than Redis: it leaves time and
 * number of deliveries of a pending entry 0, guesses how many entries a group has read, and calls a consumer active that
 * was only created.
 */
const blankedOfGroups: readonly (readonly [start: number, end: number])[] = [
  [0, 0],
  [32, 40], // a group's entries read
  [8, 24], // a consumer: seen, active
  [0, 16], // a pending entry: delivered, deliveries
];

function withoutGroupCounts(key: Buffer, value: Buffer, hasSlots: boolean): Buffer {
  const subkey = key.subarray(versionAtOf(key, hasSlots) + 8);
  const isOfGroup = subkey.length > 16 && subkey.readBigUInt64BE(0) === 2n ** 64n - 1n;
  if (isOfGroup) value.fill(0, ...(blankedOfGroups[subkey[8] as number] ?? []));
  return value;
}

const subkeyFamilies: readonly number[] = [family.subkey, family.zsetScore, family.stream];

/** The records of a batch; versions, which are times, are blanked. */
function recordsOf(batch: Buffer, hasSlots: boolean): string[] {
  const reader = new BatchReader(batch);
  const records: string[] = [];
  while (reader.next()) {
    const { kind, family: of } = reader;
    const isWrite = kind === 'put' || kind === 'delete';
    let key: Buffer = Buffer.from(reader.key.view());
    let value: Buffer = Buffer.from(reader.value.view());
    if (kind === 'put' && of === family.stream) value = withoutGroupCounts(key, value, hasSlots);
    if (isWrite && subkeyFamilies.includes(of)) key = withoutKeyVersion(key, hasSlots);
    if (kind === 'put' && of === family.metadata) value = withoutVersion(value);
    records.push(`${kind} ${of} ${key.toString('latin1')} ${value.toString('latin1')}`);
  }
  return records;
}

/**
 * Kvrocks stores sums with six decimals and answers without; Redis, and we, store what is answered. It puts the bits of
 * BITFIELD into a bitmap the other way round than those of SETBIT, so that GET and GETBIT show them turned; we do not.
 */
const otherValue = ['INCRBYFLOAT', 'HINCRBYFLOAT', 'BITFIELD'];

for (const folder of ['standalone', 'cluster']) {
  test(`the writes of ${folder} leave the records in the log that Kvrocks wrote`, async () => {
    const hasSlots = folder === 'cluster';
    await using opened = await openTestEngine({ slotPrefixed: hasSlots });
    const runner = new CommandRunner(opened.types);
    const writes = exchanges(folder, 'writes.json');
    const batches = recordedBatches(folder);
    let compared = 0;
    let next = 0;
    for (const exchange of writes) {
      const args = argumentsOf(exchange);
      const name = String(args[0]);
      // The first read of a consumer creates it with a batch of its own in Kvrocks.
      if (name === 'XREADGROUP') next++;
      const batch = batches[next++] as Buffer;
      if (!runner.definitions.has(name.toLowerCase()) || args[1] === 'dropme') continue;
      const isShort = args[3] === 'PX';
      runner.nowMs = isShort ? expiryIn(batch) - 1 : nowMs - 200_000_000_000;
      assert.equal(runner.run(...args), exchange.reply, `${name} ${String(args[1])}`);
      const commit = opened.engine.commit();
      if (otherValue.includes(name)) continue;
      const written = recordsOf(commit?.packed as Buffer, hasSlots);
      assert.deepEqual(written, recordsOf(batch, hasSlots), `${name} ${String(args[1])}`);
      compared++;
    }
    assert.equal(next, batches.length);
    assert.ok(compared >= 60, `only ${compared} compared`);
  });
}

/** The expiry of the string a batch sets. */
function expiryIn(batch: Buffer): number {
  const reader = new BatchReader(batch);
  while (reader.next() && reader.kind !== 'put');
  return Number(reader.value.view().readBigUInt64BE(1));
}

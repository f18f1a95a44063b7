/**
 * RDB LOAD: the keys of a file that Redis wrote. All or nothing: the whole file is one command, so what a damaged one has
 * written by then is taken back. Keys that have died and those of other databases are passed over.
 */
import type { DataTypes, UserKey } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, errors, noKeys, type Call, type CommandDefinition } from '../command.ts';
import { RdbFile, type RdbFileKey } from '../rdb/rdb-file.ts';
import { RdbFailure } from '../rdb/rdb-format.ts';
import { ignored, readRdbValue } from '../rdb/read-value.ts';
import { ValueRestore } from './restore-value.ts';

/** Largest file: its keys are written as one batch, which is held in memory. */
export const rdbFileBytesMax: number = 512 << 20;

export interface RdbFilePort {
  /** @returns the bytes of a file, or why it cannot be read: no such file, or more than `bytesMax` bytes. */
  read(path: string, bytesMax: number): Buffer | string;
}

interface LoadInput {
  readonly path: string;
  readonly db: number;
  readonly onlyNew: boolean;
}

function parseLoad(request: Request): LoadInput | Refusal {
  if (!request.is(1, 'load')) return new Refusal('ERR unknown subcommand');
  let db = 0;
  let onlyNew = false;
  for (let index = 3; index < request.count; index++) {
    if (request.is(index, 'nx')) onlyNew = true;
    else if (request.is(index, 'db') && index + 1 < request.count) {
      db = request.integer(++index);
      if (!(db >= 0)) return new Refusal(errors.notInteger);
    } else return new Refusal(errors.syntax);
  }
  return { path: request.utf8(2), db, onlyNew };
}

/** Whether a key of the file is to be loaded. */
function isWanted({ keyspace }: DataTypes, call: Call, input: LoadInput, found: RdbFileKey, key: UserKey): boolean {
  if (found.db !== input.db) return false;
  if (found.expireMs !== 0 && found.expireMs <= call.nowMs) return false;
  return !(input.onlyNew && keyspace.exists(key, call.nowMs));
}

/** @throws RdbFailure when the file is damaged. */
function load(types: DataTypes, values: ValueRestore, call: Call, input: LoadInput, bytes: Buffer): void {
  const file = new RdbFile(bytes);
  const { reader } = file;
  const { nowMs } = call;
  for (let found = file.next(); found !== undefined; found = file.next()) {
    const key: UserKey = { ...found.name, namespace: call.namespace };
    const { expireMs, type } = found;
    if (!isWanted(types, call, input, found, key)) readRdbValue(type, reader, ignored);
    // A hash whose fields have all died leaves the key that was there before; there is none in a database begun anew.
    else values.restore(type, reader, { key, expireMs, nowMs });
  }
}

function runLoad(
  types: DataTypes,
  values: ValueRestore,
  call: Call,
  { input, bytes }: Loaded,
  reply: ReplyWriter,
): void {
  if (typeof bytes === 'string') return reply.error(`ERR ${bytes}`);
  try {
    load(types, values, call, input, bytes);
    reply.ok();
  } catch (error) {
    if (!(error instanceof RdbFailure)) throw error;
    types.engine.rollbackCommand();
    reply.error(`ERR ${input.path}: ${error.message}`);
  }
}

interface Loaded {
  readonly input: LoadInput;
  readonly bytes: Buffer | string;
}

export function rdbCommand(types: DataTypes, port: RdbFilePort): CommandDefinition {
  const values = new ValueRestore(types);
  return define<LoadInput>({
    name: 'rdb',
    arity: -3,
    flags: ['write', 'admin', 'exclusive', 'no-script', 'no-multi'],
    keys: noKeys,
    group: 'server',
    since: 'Kvrocks 2.8.0',
    complexity: 'O(N) where N is the number of keys and elements in the file.',
    summary: 'Loads the keys of an RDB file into the namespace of the connection.',
    subCommands: [
      {
        name: 'load',
        arity: -3,
        usage: '<path> [NX] [DB <index>]',
        summary: 'Loads the keys of one database of the file; with NX those that do not exist.',
      },
    ],
    parse: parseLoad,
    run: (call, input, reply) =>
      runLoad(types, values, call, { input, bytes: port.read(input.path, rdbFileBytesMax) }, reply),
  });
}

/**
 * `<dir>/rollback`: what a node gave up of its history, kept until the operator deletes it. Files of batches, and whole
 * database directories, each with a file beside it that says what it is. docs/operating/rollback.md.
 */
import { messageOf, OperationError } from '@holdfast/base';
import type { ReplicationFiles } from '../files.ts';
import { replaceFile } from './replace-file.ts';
import { RollbackFileReader } from './rollback-file.ts';
import { formatGivenUp, parseGivenUp, rollbackName, type GivenUp } from './rollback-header.ts';

export interface RollbackPaths {
  /** What was given up. */
  readonly directory: string;
  /** A rewind is under way. */
  readonly marker: string;
}

/** @param dir the directive `dir`, without a slash at its end. */
export function rollbackPaths(dir: string): RollbackPaths {
  return { directory: `${dir}/rollback`, marker: `${dir}/rewind.marker` };
}

const batchesEnd = '.batches';
const databaseEnd = '.database';

/** The first name that is free; another life of the node may have given up the same sequences of the same epoch. */
async function freeName(files: ReplicationFiles, directory: string, part: GivenUp, end: string): Promise<string> {
  const name = rollbackName(part);
  for (let i = 1; ; i++) {
    const candidate = i === 1 ? `${name}${end}` : `${name}-${i}${end}`;
    if (!(await files.exists(`${directory}/${candidate}`))) return candidate;
  }
}

export function freeBatchesName(files: ReplicationFiles, directory: string, part: GivenUp): Promise<string> {
  return freeName(files, directory, part, batchesEnd);
}

/** Names of the files that may hold this part already: from a rewind that did not come to its marker. */
export async function batchesNames(
  files: ReplicationFiles,
  directory: string,
  part: GivenUp,
): Promise<readonly string[]> {
  const name = rollbackName(part);
  const isOne = (found: string): boolean =>
    found === name + batchesEnd ||
    (found.startsWith(`${name}-`) && /^[0-9]+\.batches$/.test(found.slice(name.length + 1)));
  return (await files.list(directory)).filter(isOne).sort();
}

/**
 * Moves a whole database directory into the rollback directory: one rename. The database must be closed.
 * @returns its name there.
 */
export async function moveDatabase(
  files: ReplicationFiles,
  directory: string,
  database: string,
  part: GivenUp,
): Promise<string> {
  await files.makeDirectory(directory);
  const name = await freeName(files, directory, part, databaseEnd);
  await replaceFile(files, `${directory}/${name}.json`, Buffer.from(`${formatGivenUp(part)}\n`));
  await files.rename(database, `${directory}/${name}`);
  return name;
}

/** What reading the directory needs of the file port. */
export type RollbackSource = Pick<ReplicationFiles, 'exists' | 'list' | 'openReader'>;

/** One thing that was given up. */
export interface RollbackEntry {
  readonly name: string;
  readonly kind: 'batches' | 'database';
  readonly sizeBytes: number;
  /** What it says of itself; undefined when that cannot be read, and `problem` says why. */
  readonly part: GivenUp | undefined;
  readonly problem: string | undefined;
}

/**
 * What is in the rollback directory, by epoch and sequence. Headers are read, batches are not.
 * @param treeBytes bytes of all files below a directory.
 */
export async function listRollback(
  files: RollbackSource,
  directory: string,
  treeBytes: (path: string) => number,
): Promise<readonly RollbackEntry[]> {
  const entries: RollbackEntry[] = [];
  for (const name of await files.list(directory)) {
    if (name.endsWith(batchesEnd)) entries.push(await batchesEntry(files, directory, name));
    else if (name.endsWith(databaseEnd)) entries.push(await databaseEntry(files, directory, name, treeBytes));
  }
  return entries.sort(byPlace);
}

function byPlace(a: RollbackEntry, b: RollbackEntry): number {
  const [[e1, f1], [e2, f2]] = [placeOf(a), placeOf(b)];
  return e1 - e2 || f1 - f2 || (a.name < b.name ? -1 : 1);
}

function placeOf({ name }: RollbackEntry): readonly [epoch: number, first: number] {
  const [epoch = 0, first = 0] = name.split('-').map(Number);
  return [epoch, first];
}

async function batchesEntry(files: RollbackSource, directory: string, name: string): Promise<RollbackEntry> {
  const path = `${directory}/${name}`;
  const from = await files.openReader(path);
  const { sizeBytes } = from;
  try {
    const { part } = await RollbackFileReader.open(path, from);
    return { name, kind: 'batches', sizeBytes, part, problem: undefined };
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    return { name, kind: 'batches', sizeBytes, part: undefined, problem: messageOf(error) };
  } finally {
    await from.close();
  }
}

async function databaseEntry(
  files: RollbackSource,
  directory: string,
  name: string,
  treeBytes: (path: string) => number,
): Promise<RollbackEntry> {
  const path = `${directory}/${name}`;
  const part = await readDescription(files, `${path}.json`);
  const problem = part === undefined ? `${path}.json does not say what it is` : undefined;
  return { name, kind: 'database', sizeBytes: treeBytes(path), part, problem };
}

async function readDescription(files: RollbackSource, path: string): Promise<GivenUp | undefined> {
  if (!(await files.exists(path))) return undefined;
  const reader = await files.openReader(path);
  try {
    const bytes = Buffer.alloc(Math.min(reader.sizeBytes, 64 * 1024));
    const length = await reader.read(bytes);
    return parseGivenUp(bytes.toString('utf8', 0, length));
  } finally {
    await reader.close();
  }
}

/**
 * `ctl rollback list|show|export`: what a node gave up of its history, for the operator who has to decide what of it is to
 * be written again. docs/operating/rollback.md.
 *
 * A file is read to its end and found whole before anything of it is written: half an export must not look like one.
 */
import { once } from 'node:events';
import { open, type FileHandle } from 'node:fs/promises';
import { FatalError, messageOf } from '@holdfast/base';
import { listRollback, operationsOf, type GivenUp, type Operation } from '@holdfast/replication';
import { exitStatus } from '../command-module.ts';
import { jsonText, jsonVersion, type CtlContext } from './context.ts';
import { diskSource, refused, rollbackDirectory, treeBytes, withFile } from './rollback-source.ts';
import { entriesTable, entryJson, operationJson, operationLine, operationRequest, partLines } from './rollback-text.ts';

export async function listFiles({ output, write, note }: CtlContext, dir: string): Promise<void> {
  const entries = await listRollback(diskSource, rollbackDirectory(dir), treeBytes);
  if (output === 'json') write(jsonText('rollback list', { rollback: entries.map(entryJson) }));
  else if (entries.length === 0) note('this node gave up nothing');
  else {
    write(entriesTable(entries));
    note(`next: bin/holdfast ctl rollback show <name> --dir ${dir}`);
  }
  for (const { problem } of entries) if (problem !== undefined) note(problem);
}

export async function showFile({ output, write }: CtlContext, dir: string, name: string): Promise<void> {
  const part = await foundWhole(dir, name);
  if (output === 'table') write(partLines(name, part));
  await eachOperation(dir, name, (operation) =>
    writeLine(output === 'json' ? jsonLine(operation) : operationLine(operation)),
  );
}

/**
 * @param rest where to write what no command can say.
 * @throws OperationError ROLLBACK_REFUSED when there is such, and no place for it.
 */
export async function exportFile(
  { output, note }: CtlContext,
  dir: string,
  name: string,
  rest: string | undefined,
): Promise<void> {
  const part = await foundWhole(dir, name);
  if (output === 'json') return eachOperation(dir, name, (operation) => writeLine(jsonLine(operation)));
  const counts = { command: 0, note: 0, raw: 0 };
  await eachOperation(dir, name, ({ kind }) => void counts[kind]++);
  if (counts.raw > 0 && rest === undefined)
    throw refused(
      `no command can say ${counts.raw} of the ${part.last - part.first + 1} records of ${name}; name a file for them with --rest`,
    );
  const others = rest === undefined ? undefined : await newFile(rest);
  await eachOperation(dir, name, async (operation) => {
    const request = operationRequest(operation);
    if (request !== undefined) await writeBytes(request);
    else if (operation.kind === 'raw') await others?.appendFile(`${jsonLine(operation)}\n`);
  });
  await others?.close();
  note(
    `${counts.command} commands${rest === undefined ? '' : `, ${counts.raw} records in ${rest}`}; they overwrite what was written since`,
  );
}

function jsonLine(operation: Operation): string {
  return JSON.stringify({ version: jsonVersion, ...operationJson(operation) });
}

/** Reads the whole file, understanding every batch. @throws OperationError when it is damaged. */
async function foundWhole(dir: string, name: string): Promise<GivenUp> {
  await eachOperation(dir, name, () => undefined);
  return await withFile(dir, name, (reader) => Promise.resolve(reader.part));
}

async function eachOperation(
  dir: string,
  name: string,
  use: (operation: Operation) => void | Promise<void>,
): Promise<void> {
  await withFile(dir, name, async (reader) => {
    await reader.readAll(async (batch) => {
      for (const operation of operationsIn(name, batch, reader.part)) await use(operation);
    });
  });
}

function operationsIn(name: string, batch: Buffer, { slotPrefixed }: GivenUp): readonly Operation[] {
  try {
    return operationsOf(batch, slotPrefixed);
  } catch (error) {
    throw refused(`${name} holds a batch that cannot be read: ${messageOf(error)}`);
  }
}

function writeLine(text: string): Promise<void> {
  return writeBytes(Buffer.from(`${text}\n`));
}

/** Waits for a slow reader of the pipe. */
async function writeBytes(bytes: Buffer): Promise<void> {
  if (!process.stdout.write(bytes)) await once(process.stdout, 'drain');
}

/** One that exists is not overwritten. */
async function newFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx');
  } catch (error) {
    throw new FatalError(`cannot write ${path}: ${messageOf(error)}`, exitStatus.environment, error);
  }
}

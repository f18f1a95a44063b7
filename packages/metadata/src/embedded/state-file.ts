/**
 * The bytes of the embedded store's file.
 *
 *   holdfast-metadata 1 <sha256 of the rest, hex>\n
 *   {"revision":<store revision>,"keys":<count>}\n
 *   {"key":…,"revision":…,"value":…}\n            one line per key, ascending
 *
 * The number after the name is the format's version: a reader refuses others. The digest covers everything after the
 * first line, so any cut, flipped or added byte is found. Text, so that a person can read it in a disaster.
 */
import { createHash } from 'node:crypto';
import { FatalError, messageOf } from '@holdfast/base';
import { z } from 'zod';
import { entriesWithPrefix, type Keyspace } from '../keyspace.ts';
import type { Entry } from '../metadata-store.ts';

const name = 'holdfast-metadata';
const version = 1;

const headSchema = z.strictObject({ revision: z.int().nonnegative(), keys: z.int().nonnegative() });
const entrySchema = z.strictObject({ key: z.string().min(1), revision: z.int().positive(), value: z.string() });

export function encodeKeyspace(space: Keyspace): Buffer {
  const lines = [JSON.stringify({ revision: space.revision, keys: space.entries.size })];
  for (const { key, revision, value } of entriesWithPrefix(space, ''))
    lines.push(JSON.stringify({ key, revision, value }));
  const body = `${lines.join('\n')}\n`;
  return Buffer.from(`${name} ${version} ${digest(body)}\n${body}`);
}

/**
 * @param path for messages only.
 * @throws FatalError naming the file and what is wrong with it; nothing is guessed or repaired.
 */
export function decodeKeyspace(bytes: Buffer, path: string): Keyspace {
  const lineEnd = bytes.indexOf('\n');
  const [foundName, foundVersion, foundDigest] = bytes.toString('latin1', 0, Math.max(0, lineEnd)).split(' ');
  if (lineEnd < 0 || foundName !== name) throw damaged(path, `its first line is not that of a ${name} file`);
  if (foundVersion !== String(version))
    throw new FatalError(`${path} has format version ${foundVersion}, this program reads version ${version}`, 3);
  const body = bytes.toString('utf8', lineEnd + 1);
  if (digest(body) !== foundDigest)
    throw damaged(path, `its checksum does not fit its ${bytes.length} bytes (torn or changed by hand)`);
  try {
    return decodeBody(body, path);
  } catch (error) {
    if (error instanceof FatalError) throw error;
    throw damaged(path, `it has a line of another shape (${messageOf(error)})`);
  }
}

function decodeBody(body: string, path: string): Keyspace {
  const [head, ...lines] = body.split('\n').slice(0, -1);
  const { revision, keys } = headSchema.parse(JSON.parse(head ?? ''));
  const entries = new Map<string, Entry>();
  for (const line of lines) {
    const entry = entrySchema.parse(JSON.parse(line));
    entries.set(entry.key, entry);
    if (entry.revision > revision) throw damaged(path, `key ${entry.key} is newer than the store`);
  }
  if (entries.size !== keys) throw damaged(path, `it holds ${entries.size} keys where it says ${keys}`);
  return { revision, entries };
}

function digest(body: string): string {
  return createHash('sha256').update(body).digest('hex');
}

function damaged(path: string, what: string): FatalError {
  return new FatalError(
    `${path} is damaged: ${what}; put a copy of it back, or move it away to begin with an empty store`,
    3,
  );
}

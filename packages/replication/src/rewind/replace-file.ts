/** A small file, whole or not at all: written beside its name, fsynced, renamed, directory fsynced. */
import type { ReplicationFiles } from '../files.ts';

export async function replaceFile(files: ReplicationFiles, path: string, content: Uint8Array): Promise<void> {
  const temporary = `${path}.tmp`;
  const writer = await files.openWriter(temporary);
  try {
    await writer.write(content);
  } catch (error) {
    await writer.abandon();
    throw error;
  }
  await writer.finish();
  await files.rename(temporary, path);
}

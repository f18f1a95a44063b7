/**
 * The desired state on disk: written whole (temporary file, fsync, rename, fsync of the directory) before it is acted
 * on, read at the start. So a balancer that was restarted serves what it served, without anybody's help, and still
 * refuses what it refused.
 */
import { open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FatalError, OperationError, messageOf } from '@holdfast/base';
import { desiredSchema, describeIssues } from '../binding-set.ts';
import type { DesiredBindings } from '../driver.ts';

const formatVersion = 1;

/** Nothing was ever applied. */
export const noBindings: DesiredBindings = { revision: 0, bindings: [] };

/** @throws FatalError (exit status 3) naming the file when it cannot be read or is not what was written. */
export async function loadBindings(path: string): Promise<DesiredBindings> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return noBindings;
    throw new FatalError(`cannot read ${path}: ${messageOf(error)}`, 3, error);
  }
  try {
    const { version, ...desired } = JSON.parse(text) as { version: unknown };
    if (version !== formatVersion) throw new Error(`its format version is ${String(version)}, not ${formatVersion}`);
    const parsed = desiredSchema.safeParse(desired);
    if (!parsed.success) throw new Error(describeIssues(parsed.error));
    return parsed.data;
  } catch (error) {
    const advice = 'move it away to start without bindings; the controller then sends them again';
    throw new FatalError(`${path} is damaged: ${messageOf(error)}; ${advice}`, 3, error);
  }
}

/**
 * Asynchronous, because an fsync must not stop the traffic of the addresses that do not change.
 * @throws OperationError BALANCER_REFUSED: not-applied, or unknown when the failure came after the rename.
 */
export async function saveBindings(path: string, desired: DesiredBindings): Promise<void> {
  let renamed = false;
  try {
    const temporary = `${path}.tmp`;
    await withFile(temporary, 'w', async (handle) => {
      await handle.writeFile(`${JSON.stringify({ version: formatVersion, ...desired })}\n`);
      await handle.sync();
    });
    renamed = true;
    await rename(temporary, path);
    await withFile(dirname(path), 'r', (handle) => handle.sync());
  } catch (error) {
    const outcome = renamed ? 'unknown' : 'not-applied';
    const message = `cannot write ${path}: ${messageOf(error)}`;
    throw new OperationError('BALANCER_REFUSED', message, { outcome, cause: error });
  }
}

type Handle = Awaited<ReturnType<typeof open>>;

async function withFile(path: string, flags: string, use: (handle: Handle) => Promise<void>): Promise<void> {
  const handle = await open(path, flags, 0o600);
  try {
    await use(handle);
  } finally {
    await handle.close();
  }
}

/**
 * The file of a Unix socket: that of a process that has ended stands in the way of a new one and is removed, that of a
 * living one never is.
 */
import { lstatSync, unlinkSync, type Stats } from 'node:fs';
import { connect } from 'node:net';

/** The kernel's room for the path, with its end. */
const pathBytesMax = 107;

/** Makes room for a Unix socket at `path`. @returns why there cannot be one; undefined when there can. */
export async function clearUnixSocket(path: string): Promise<string | undefined> {
  // Longer ones are cut short by the kernel's interface, and another file would be made.
  if (Buffer.byteLength(path) > pathBytesMax) return `the path is longer than ${pathBytesMax} bytes`;
  const found = statOf(path);
  if (found === undefined) return undefined;
  if (!found.isSocket()) return 'the file exists and is no socket; nothing was changed';
  if (await isListening(path)) return 'another process listens on it';
  unlinkSync(path);
  return undefined;
}

function statOf(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whether somebody takes connections, or might: only a refusal says that nobody does. */
function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'));
  });
}

/** Reads files that an administrator names: RDB LOAD. */
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { messageOf } from '@holdfast/base';

/** @returns the bytes of a regular file, or why they cannot be had. */
export function readWholeFile(path: string, bytesMax: number): Buffer | string {
  let descriptor: number | undefined;
  try {
    // A named pipe would keep the node waiting for whoever writes to it.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const facts = fstatSync(descriptor);
    if (!facts.isFile()) return `${path} is no file`;
    if (facts.size > bytesMax) return `${path} has ${facts.size} bytes, and at most ${bytesMax} are loaded at once`;
    return readFileSync(descriptor);
  } catch (error) {
    return messageOf(error);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

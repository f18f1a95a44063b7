/** The secret shared by the balancer and the controller, in a file that only their user can read. */
import { randomBytes, createHash, timingSafeEqual } from 'node:crypto';
import { closeSync, fstatSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { FatalError, messageOf } from '@holdfast/base';

const lengthMin = 16;

/**
 * Reads the token, creating the file with a random one when there is none.
 * @throws FatalError (exit status 3) naming the file: others may read it, it is too short, it is not accessible.
 */
export function readOrCreateToken(path: string): string {
  try {
    const fd = openSync(path, 'wx', 0o600);
    try {
      writeSync(fd, `${randomBytes(32).toString('base64url')}\n`);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST')
      throw new FatalError(`cannot create the token file ${path}: ${messageOf(error)}`, 3, error);
  }
  return readToken(path);
}

/** @throws FatalError as readOrCreateToken; also when the file does not exist. */
export function readToken(path: string): string {
  let token: string;
  let mode: number;
  try {
    const fd = openSync(path, 'r');
    try {
      mode = fstatSync(fd).mode & 0o777;
      token = readFileSync(fd, 'utf8').trim();
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw new FatalError(`cannot read the token file ${path}: ${messageOf(error)}`, 3, error);
  }
  if ((mode & 0o077) !== 0)
    throw new FatalError(`the token file ${path} has mode ${mode.toString(8)}; run: chmod 600 ${path}`, 3);
  if (token.length < lengthMin)
    throw new FatalError(`the token in ${path} has ${token.length} characters; at least ${lengthMin} are needed`, 3);
  return token;
}

/** Compares without telling by the time taken how much of a guess was right. */
export function tokenMatches(expected: string, given: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(expected), digest(given));
}

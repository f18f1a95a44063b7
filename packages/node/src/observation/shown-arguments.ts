/**
 * What of a command's arguments may be shown to people: secrets are taken out by their place, as they are passwords whether
 * they are right or wrong.
 */
import type { Request } from '@holdfast/resp';

export const hidden: Buffer = Buffer.from('(redacted)');

/** Whether a directive's value is a secret. */
export type SecretDirectives = (name: string) => boolean;

/**
 * Whether an argument of a command is a secret.
 * @param name the command's own name, whatever it is called by.
 */
export function isSecret(name: string, request: Request, index: number, secrets: SecretDirectives): boolean {
  switch (name) {
    case 'auth':
      return index > 0;
    case 'hello':
      return isSecretOfHello(request, index);
    case 'config':
      return request.is(1, 'set') && index > 1 && secrets(request.latin1(index - (index % 2)).toLowerCase());
    case 'namespace':
      return index > 2;
    case 'migrate':
      return index > 0;
    default:
      return false;
  }
}

/** User and password behind AUTH; the password alone is Kvrocks' form, so whatever follows is hidden up to SETNAME. */
function isSecretOfHello(request: Request, index: number): boolean {
  for (let at = index - 1; at > 1 && at >= index - 2; at--)
    if (request.is(at, 'auth')) return !request.is(index, 'setname');
  return false;
}

/** Limits of an entry of the slow log, as in Redis. */
export const argumentsMax = 32;
export const argumentBytesMax = 128;

/** Copies of the arguments, at most 32 of at most 128 bytes, the last one telling how many more there are. */
export function clippedArguments(name: string, request: Request, secrets: SecretDirectives): Buffer[] {
  const { count } = request;
  const shown: Buffer[] = [];
  const whole = count > argumentsMax ? argumentsMax - 1 : count;
  for (let i = 0; i < whole; i++) shown.push(isSecret(name, request, i, secrets) ? hidden : clipped(request, i));
  if (whole < count) shown.push(Buffer.from(`... (${count - whole} more arguments)`));
  return shown;
}

function clipped(request: Request, index: number): Buffer {
  const bytes = request.bytes(index);
  if (bytes.length <= argumentBytesMax) return bytes;
  const more = Buffer.from(`... (${bytes.length - argumentBytesMax} more bytes)`);
  return Buffer.concat([bytes.subarray(0, argumentBytesMax), more]);
}

/** An argument between quotes, as MONITOR shows it (Redis' sdscatrepr). */
export function quoted(bytes: Buffer): string {
  let text = '"';
  for (const byte of bytes) text += quotedByte(byte);
  return `${text}"`;
}

const named: Readonly<Record<number, string>> = {
  7: '\\a',
  8: '\\b',
  9: '\\t',
  10: '\\n',
  13: '\\r',
  34: '\\"',
  92: '\\\\',
};

function quotedByte(byte: number): string {
  const name = named[byte];
  if (name !== undefined) return name;
  return byte >= 32 && byte < 127 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`;
}

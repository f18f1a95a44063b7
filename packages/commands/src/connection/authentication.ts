/**
 * Who may do what: `requirepass` makes an administrator of the default namespace, a namespace's token an ordinary user
 * of that namespace (looked up first, as Kvrocks does), and without `requirepass` everybody is an administrator.
 *
 * Secrets are compared by their digests in constant time, and every token is compared, so that the time of an answer
 * tells neither how much of a guess was right nor which token it was near.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Session } from '../session.ts';
import type { ConnectionPort } from './port.ts';

export const authenticationErrors = {
  none: 'ERR Client sent AUTH, but no password is set',
  wrong: 'ERR Invalid password',
} as const;

/** Kvrocks knows no other user. */
export const onlyUser = 'default';

function digest(secret: Uint8Array | string): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** Whether two secrets are equal, in a time that does not depend on where they differ. */
export function sameSecret(given: Uint8Array, expected: string): boolean {
  return timingSafeEqual(digest(given), digest(expected));
}

/**
 * Takes a secret for a session.
 * @returns undefined when the session is authenticated now, else the error line; the session is then as before.
 */
export function authenticate(port: ConnectionPort, session: Session, secret: Uint8Array): string | undefined {
  const password = port.password();
  if (password === '') return authenticationErrors.none;
  let found: string | undefined;
  for (const [name, token] of port.namespaceTokens()) if (sameSecret(secret, token)) found ??= name;
  const isAdmin = sameSecret(secret, password);
  if (found === undefined && !isAdmin) return authenticationErrors.wrong;
  session.namespace = found === undefined ? port.defaultNamespace : port.namespaceNamed(found);
  session.admin = found === undefined;
  session.authenticated = true;
  return undefined;
}

/** Puts a session back to what a new connection is. */
export function becomeNew(port: ConnectionPort, session: Session): void {
  const open = port.password() === '';
  session.authenticated = open;
  session.admin = open;
  session.namespace = port.defaultNamespace;
}

/** What may be done to namespaces, decided from what there is. Texts are Kvrocks' (server/namespace.cc). */
import { defaultNamespace, namespaceBytesMax } from '@holdfast/engine';
import type { NamespacePort } from './port.ts';

/** Names and tokens as text; a change of a namespace that is `undefined` takes it away. */
export interface NamespaceChange {
  readonly kind: 'add' | 'set' | 'del';
  readonly name: string;
  readonly token: string;
}

const errors = {
  exists: 'ERR the namespace already exists',
  tokenExists: 'ERR the token already exists',
  notFound: 'ERR the namespace was not found',
  noPassword: 'ERR forbidden to add namespace when requirepass was empty',
  cluster: 'ERR forbidden to add namespace when cluster mode was enabled',
  deleteDefault: 'ERR forbidden to delete the default namespace',
  addDefault: 'ERR forbidden to add the default namespace',
  duplicated: 'ERR the token is duplicated with requirepass or masterauth',
  nowhere:
    'ERR modify namespace requires the server is running with a configuration file or enabled namespace replication',
  readOnly: 'ERR namespace is read-only for slave',
  tooLong: `ERR size exceed limit ${namespaceBytesMax}`,
  illegal: 'ERR namespace contain illegal letter',
  emptyToken: 'ERR the token of a namespace must not be empty',
} as const;

/** Why a change is refused; undefined when it may be made. `same` when there is nothing to change. */
export function refusalOf(change: NamespaceChange, port: NamespacePort): string | undefined {
  if (!port.canKeep()) return errors.nowhere;
  if (port.inDatabase() && port.isReplica()) return errors.readOnly;
  return change.kind === 'del' ? refusalOfDelete(change, port) : refusalOfPut(change, port);
}

function refusalOfDelete({ name }: NamespaceChange, port: NamespacePort): string | undefined {
  if (name === defaultNamespace.name) return errors.deleteDefault;
  return port.tokens().has(name) ? undefined : errors.notFound;
}

/** A name also has to be a word of a line of the configuration file. */
function refusalOfTexts(name: string, token: string): string | undefined {
  if (name === defaultNamespace.name) return errors.addDefault;
  if (Buffer.byteLength(name) > namespaceBytesMax) return errors.tooLong;
  if (name === '' || name.endsWith('\x7f') || /[\s"'#]/.test(name)) return errors.illegal;
  return token === '' ? errors.emptyToken : undefined;
}

function refusalOfPut({ kind, name, token }: NamespaceChange, port: NamespacePort): string | undefined {
  if (port.password() === '') return errors.noPassword;
  if (port.isCluster) return errors.cluster;
  const illegal = refusalOfTexts(name, token);
  if (illegal !== undefined) return illegal;
  if (token === port.password() || token === port.masterPassword()) return errors.duplicated;
  const had = port.tokens().get(name);
  if (kind === 'add' && had !== undefined && had !== token) return errors.exists;
  for (const [other, taken] of port.tokens()) if (taken === token && other !== name) return errors.tokenExists;
  return undefined;
}

/** Whose keys: the first part of every stored key. Cluster mode knows only the default one. */
export interface Namespace {
  readonly name: string;
  /** u8 length and the name's bytes, as they begin every stored key. */
  readonly prefix: Uint8Array;
}

/** Longest name in bytes: its length is stored in one. */
export const namespaceBytesMax = 255;

/**
 * A namespace by name.
 * @throws RangeError when the name has more than 255 bytes; the caller refuses such names before.
 */
export function namespaceOf(name: string): Namespace {
  const bytes = Buffer.from(name);
  if (bytes.length > namespaceBytesMax) throw new RangeError(`namespace name of ${bytes.length} bytes, at most 255`);
  return { name, prefix: Buffer.concat([Buffer.of(bytes.length), bytes]) };
}

/** The namespace of connections without a token, and the only one in cluster mode. */
export const defaultNamespace: Namespace = namespaceOf('__namespace');

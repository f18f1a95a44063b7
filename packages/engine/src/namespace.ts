/** Whose keys: the first part of every stored key. Cluster mode knows only the default one. */
export interface Namespace {
  readonly name: string;
  /** u8 length and the name's bytes, as they begin every stored key. */
  readonly prefix: Uint8Array;
}

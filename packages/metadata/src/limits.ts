/**
 * Limits of every store, so that what works on the embedded one also works on etcd (whose request limit is 1.5 MiB and
 * whose transactions take 128 operations by default).
 */
export const limits: Readonly<Record<'keyLengthMax' | 'valueBytesMax' | 'operationsMax' | 'storeBytesMax', number>> = {
  /** UTF-16 code units; keys are paths such as `/holdfast/clusters/local`. */
  keyLengthMax: 512,
  valueBytesMax: 1024 * 1024,
  /** Guards and writes of one transaction together. */
  operationsMax: 128,
  /** The whole embedded file: it is rewritten at every commit, so it has to stay small. */
  storeBytesMax: 64 * 1024 * 1024,
};

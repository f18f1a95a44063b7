/**
 * What the binding throws, and rejects with. The addon constructs these itself, so that every refusal has one form
 * whether it was found by a check of ours or by RocksDB.
 */
import type { RocksErrorCode } from './types.ts';

export class RocksError extends Error {
  override readonly name = 'RocksError';
  /** Stable; messages may change, codes may not. */
  readonly code: RocksErrorCode;
  /** For `write` and `writeAsync`: how many batches were written before the failure. */
  readonly written: number | undefined;

  constructor(code: RocksErrorCode, message: string, written?: number) {
    super(message);
    this.code = code;
    this.written = written;
  }
}

/** The native addon of this package: ../../native/os.cc and ../../native/streams.cc. */
import { createRequire } from 'node:module';
import { FatalError } from '../index.ts';

interface Addon {
  leaseClockMs(): number;
  lockFile(path: string): number;
  setParentDeathSignal(signal: number): void;
  sendLast(fd: number, bytes: Uint8Array): number;
  peerEnded(fd: number): boolean;

  startStreams(onEvents: (count: number) => void): { readonly events: ArrayBuffer; readonly arena: ArrayBuffer };
  adoptStream(fd: number): number;
  readStream(id: number, on: boolean): void;
  sendStreams(table: Int32Array, count: number, bytes: Uint8Array): number;
  endStream(id: number, bytes: Uint8Array): number;
  releaseStream(id: number): number;
  closeStream(id: number): void;
}

function load(): Addon {
  try {
    return createRequire(import.meta.url)('../../build/Release/base.node') as Addon;
  } catch (error) {
    throw new FatalError("the native addon of packages/base is not built; run 'make build'", 3, error);
  }
}

/** @throws FatalError when it was not compiled, while this module is loaded. */
export const addon: Addon = load();

/** Loads the addon that tools/setup.sh compiles; its contract is `native/addon.cc`. */
import { createRequire } from 'node:module';
import { FatalError } from '@holdfast/base';

/** What a script wants, or how it ended. The numbers are those of `EventKind` in native/state.h. */
export const eventKind = {
  /** It returned; the bytes are its reply in RESP. */
  done: 0,
  /** redis.call or redis.pcall: the parts are the command's arguments. */
  call: 1,
  /** Its slice is over; the part tells where it stands, `@user_script:1`. */
  paused: 2,
  /** It ended with an error; the bytes are the error line in RESP. */
  failed: 3,
  /** redis.log: the part is the text, `detail` the level. */
  log: 4,
  /** redis.acl_check_cmd: the parts are the command's arguments; the reply is an integer or an error. */
  aclCheck: 5,
  /** Lua could not go on: the world is lost. */
  broken: 6,
} as const;

export type EventKind = (typeof eventKind)[keyof typeof eventKind];

export interface NativeWorld {
  compile(id: string, body: Uint8Array, from: number, out: Uint8Array, facts: Int32Array): EventKind;
  load(prefix: string, body: Uint8Array, from: number, limitMs: number, out: Uint8Array, facts: Int32Array): EventKind;
  forget(id: string): void;
  start(id: string, name: string, bytes: Uint8Array, bounds: Int32Array, out: Uint8Array, facts: Int32Array): EventKind;
  resume(reply: Uint8Array, length: number, out: Uint8Array, facts: Int32Array): EventKind;
  take(out: Uint8Array, facts: Int32Array): EventKind;
  close(): void;
  memoryBytes(): number;
  setMemoryBytesMax(bytes: number): void;
}

interface Addon {
  readonly World: new (memoryBytesMax: number, version: string, versionNumber: number) => NativeWorld;
}

function load(): Addon {
  try {
    return createRequire(import.meta.url)('../build/Release/lua.node') as Addon;
  } catch (error) {
    throw new FatalError("the native addon of packages/lua is not built; run 'make build'", 3, error);
  }
}

export const addon: Addon = load();

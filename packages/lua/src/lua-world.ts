/**
 * A Lua 5.1 world in which one script runs at a time. A script is a conversation: `run` and `resume` say what it wants next
 * (a command's reply, to go on after its slice, nothing any more), and its owner answers. Between two answers the script
 * stands still on a stack of its own, for as long as its owner likes.
 *
 * What it hands over is in `bytes` and `bounds` until the next answer; both are used again, so that a call costs no object.
 */
import { assert, OperationError } from '@holdfast/base';
import { addon, eventKind, type EventKind, type NativeWorld } from './native.ts';

export interface LuaWorldOptions {
  /** Lua's memory, in bytes; what would need more fails with `not enough memory`. */
  readonly memoryBytesMax: number;
  /** redis.REDIS_VERSION, e.g. `7.2.4`. */
  readonly version: string;
}

/** A script or function with its arguments, where they stand in a request. */
export interface ScriptRun {
  /** As it was compiled, or the library's prefix and the function's name. */
  readonly id: string;
  /** What errors call it. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Argument i is `bytes[bounds[2 i] .. bounds[2 i + 1])`. */
  readonly bounds: Int32Array;
  /** Index of the first key; the other arguments stand behind the keys. */
  readonly first: number;
  readonly keys: number;
  readonly args: number;
  /** RESP of the reply. */
  readonly protocol: 2 | 3;
  /** Keys and arguments are handed over as parameters, not as the globals KEYS and ARGV. */
  readonly isFunction: boolean;
  /** redis.setresp(3) is allowed. */
  readonly resp3: boolean;
  /** Of math.random; any 32 bits. */
  readonly seed: number;
  /** After this time it is paused; 0 for never. */
  readonly sliceMs: number;
}

export interface LibraryFunction {
  readonly name: string;
  readonly description: string | undefined;
  readonly flags: readonly string[];
}

const factCount = 4;
const noBytes = Buffer.alloc(0);
/** A larger buffer is let go once the script has ended. */
const keptBytes = 1 << 20;
const noText = 0xffffffff;

export class LuaWorld {
  readonly #native: NativeWorld;
  #out: Buffer = Buffer.allocUnsafeSlow(4096);
  #facts: Int32Array = new Int32Array(factCount + 128);
  #bounds: Int32Array = this.#facts.subarray(factCount);

  /** @throws Error LUA_MEMORY when the limit leaves no room for the libraries. */
  constructor({ memoryBytesMax, version }: LuaWorldOptions) {
    const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
    this.#native = new addon.World(memoryBytesMax, version, (major << 16) | (minor << 8) | patch);
  }

  /** What the last event handed over, parts one after another. */
  get bytes(): Buffer {
    return this.#out;
  }

  /** Part i is `bytes[bounds[2 i] .. bounds[2 i + 1])`. */
  get bounds(): Int32Array {
    return this.#bounds;
  }

  /** Bytes of all parts. */
  get length(): number {
    return this.#facts[0] as number;
  }

  /** Number of parts. */
  get count(): number {
    return this.#facts[1] as number;
  }

  /** Of a call: whether it raises errors. Of a log line: its level, 0 debug to 3 warning. */
  get detail(): number {
    return this.#facts[2] as number;
  }

  /** RESP in which the script wants the replies of its commands. */
  get protocol(): 2 | 3 {
    return this.#facts[3] === 3 ? 3 : 2;
  }

  /** Lua's memory in use, in bytes. */
  get memoryBytes(): number {
    return this.#native.memoryBytes();
  }

  setMemoryBytesMax(bytes: number): void {
    this.#native.setMemoryBytesMax(bytes);
  }

  /**
   * Compiles a script under a name.
   * @param from where its text begins, behind the first line's `#!lua ...`.
   * @returns the error line, without its dash.
   */
  compile(id: string, body: Uint8Array, from: number): string | undefined {
    const kind = this.#told(this.#native.compile(id, body, from, this.#out, this.#facts));
    return kind === eventKind.done ? undefined : this.#errorLine();
  }

  /**
   * Runs a library's text, which registers its functions: they can be run as `<prefix><name>`.
   * @returns its functions, or the error line without its dash; then nothing is registered.
   */
  load(prefix: string, body: Uint8Array, from: number, limitMs: number): readonly LibraryFunction[] | string {
    const kind = this.#told(this.#native.load(prefix, body, from, limitMs, this.#out, this.#facts));
    return kind === eventKind.done ? this.#functions() : this.#errorLine();
  }

  /** Forgets a script or a function. */
  forget(id: string): void {
    this.#native.forget(id);
  }

  /** Begins a script. */
  run(script: ScriptRun): EventKind {
    const facts = this.#facts;
    facts[0] = script.first;
    facts[1] = script.keys;
    facts[2] = script.args;
    facts[3] = script.protocol;
    facts[4] = (script.isFunction ? 1 : 0) | (script.resp3 ? 2 : 0);
    facts[5] = script.seed | 0;
    facts[6] = script.sliceMs;
    const { id, name, bytes, bounds } = script;
    return this.#told(this.#native.start(id, name, bytes, bounds, this.#out, facts));
  }

  /**
   * Answers a call with its reply in RESP.
   * @param tellsPosition an error that is raised tells the line of the script in front of its text.
   */
  answer(reply: Uint8Array, tellsPosition = false): EventKind {
    this.#facts[0] = tellsPosition ? 1 : 0;
    this.#facts[1] = 0;
    return this.#told(this.#native.resume(reply, reply.length, this.#out, this.#facts));
  }

  /** Goes on after a pause or a line for the log. @param sliceMs 0 leaves the slice as it is. */
  resume(sliceMs = 0): EventKind {
    this.#facts[0] = 0;
    this.#facts[1] = sliceMs;
    return this.#told(this.#native.resume(noBytes, 0, this.#out, this.#facts));
  }

  /** The reply of a script that has ended. Valid until the next one begins. */
  reply(): Buffer {
    const reply = this.#out.subarray(0, this.length);
    if (this.#out.length > keptBytes) this.#out = Buffer.allocUnsafeSlow(4096);
    return reply;
  }

  /** Ends the world, also in the middle of a script. Safe to call twice. */
  close(): void {
    this.#native.close();
  }

  /** Makes room for what did not fit, and takes it. */
  #told(kind: EventKind): EventKind {
    if (kind === eventKind.broken) {
      throw new OperationError('LUA_BROKEN', 'Lua gave up outside of a script', { outcome: 'not-applied' });
    }
    const { length, count } = this;
    const isShort = length > this.#out.length || factCount + 2 * count > this.#facts.length;
    if (!isShort) return kind;
    if (length > this.#out.length) this.#out = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#out.length));
    if (factCount + 2 * count > this.#facts.length) {
      this.#facts = new Int32Array(factCount + 4 * count);
      this.#bounds = this.#facts.subarray(factCount);
    }
    this.#native.take(this.#out, this.#facts);
    return kind;
  }

  #errorLine(): string {
    return this.#out.latin1Slice(1, this.length - 2);
  }

  /** The list that native/state.cc writes: lengths as u32, little-endian, before what they count. */
  #functions(): LibraryFunction[] {
    const functions: LibraryFunction[] = [];
    let at = 0;
    const number = (): number => {
      at += 4;
      assert(at <= this.length, 'a list of functions ends early');
      return this.#out.readUInt32LE(at - 4);
    };
    const text = (length: number): string => {
      at += length;
      return this.#out.latin1Slice(at - length, at);
    };
    while (at < this.length) {
      const name = text(number());
      const described = number();
      const description = described === noText ? undefined : text(described);
      const flags = Array.from({ length: number() }, () => text(number()));
      functions.push({ name, description, flags });
    }
    return functions;
  }
}

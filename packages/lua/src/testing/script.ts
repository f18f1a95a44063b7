/** Runs scripts in a world with an owner that answers at once. */
import { eventKind } from '../native.ts';
import { LuaWorld, type ScriptRun } from '../lua-world.ts';

export function newWorld(memoryBytesMax: number = 64 << 20): LuaWorld {
  return new LuaWorld({ memoryBytesMax, version: '7.2.4' });
}

export interface ScriptOptions {
  readonly keys?: readonly string[];
  readonly args?: readonly string[];
  readonly protocol?: 2 | 3;
  readonly resp3?: boolean;
  readonly seed?: number;
  readonly sliceMs?: number;
  readonly isFunction?: boolean;
  /** What answers redis.call; by default the arguments, joined by blanks. */
  readonly answer?: (words: readonly string[], protocol: 2 | 3) => string;
  /** Lines for the log. */
  readonly log?: string[];
}

/** The arguments of `run` for text arguments. */
export function scriptRun(id: string, options: ScriptOptions = {}): ScriptRun {
  const { keys = [], args = [] } = options;
  const parts = [...keys, ...args].map((text) => Buffer.from(text, 'latin1'));
  const bounds = new Int32Array(2 * parts.length);
  let at = 0;
  parts.forEach((part, i) => {
    bounds[2 * i] = at;
    at += part.length;
    bounds[2 * i + 1] = at;
  });
  return {
    id,
    name: options.isFunction === true ? 'f' : 'sha',
    bytes: Buffer.concat(parts),
    bounds,
    first: 0,
    keys: keys.length,
    args: args.length,
    protocol: options.protocol ?? 2,
    isFunction: options.isFunction ?? false,
    resp3: options.resp3 ?? true,
    seed: options.seed ?? 7,
    sliceMs: options.sliceMs ?? 0,
  };
}

/** Arguments of the event, one character per byte. */
export function wordsOf(world: LuaWorld): string[] {
  return Array.from({ length: world.count }, (_, i) =>
    world.bytes.latin1Slice(world.bounds[2 * i] as number, world.bounds[2 * i + 1] as number),
  );
}

function joined(words: readonly string[]): string {
  const text = words.join(' ');
  return `$${text.length}\r\n${text}\r\n`;
}

/** Runs what is compiled under `id` to its end. @returns its reply, one character per byte. */
export function finish(world: LuaWorld, id: string, options: ScriptOptions = {}): string {
  let kind = world.run(scriptRun(id, options));
  for (;;) {
    switch (kind) {
      case eventKind.call:
        kind = world.answer(Buffer.from((options.answer ?? joined)(wordsOf(world), world.protocol), 'latin1'));
        break;
      case eventKind.aclCheck:
        kind = world.answer(Buffer.from(':1\r\n'));
        break;
      case eventKind.log:
        options.log?.push(`${world.detail} ${wordsOf(world).join('')}`);
        kind = world.resume();
        break;
      case eventKind.paused:
        kind = world.resume();
        break;
      default:
        return world.reply().toString('latin1');
    }
  }
}

/** Compiles and runs a script. @returns its reply, or the error of the compiler. */
export function evaluate(world: LuaWorld, body: string, options: ScriptOptions = {}): string {
  const error = world.compile('s', Buffer.from(body, 'latin1'), 0);
  if (error !== undefined) return `-${error}\r\n`;
  const reply = finish(world, 's', options);
  world.forget('s');
  return reply;
}

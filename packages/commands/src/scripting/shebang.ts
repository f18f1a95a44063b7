/**
 * The first line of a script, `#!lua flags=no-writes`, and of a library, `#!lua name=mylib`. Where Kvrocks' tests ask for
 * words of its own, a refusal has both its words and Redis'.
 */

export interface ScriptFlags {
  /** Writes nothing; may run on replicas and by EVAL_RO. */
  readonly noWrites: boolean;
  readonly allowStale: boolean;
  readonly noCluster: boolean;
  readonly crossSlot: boolean;
}

/** A script without a first line of its own. Its commands decide; keys of several slots are for those who ask for them. */
export const plainFlags: ScriptFlags = { noWrites: false, allowStale: false, noCluster: false, crossSlot: false };

const knownFlags = ['no-writes', 'allow-oom', 'allow-stale', 'no-cluster', 'allow-cross-slot-keys'];

/** The flags that these words stand for. */
export function flagsOfWords(words: readonly string[]): ScriptFlags {
  return {
    noWrites: words.includes('no-writes'),
    allowStale: words.includes('allow-stale'),
    noCluster: words.includes('no-cluster'),
    crossSlot: words.includes('allow-cross-slot-keys'),
  };
}

export interface ScriptHead {
  /** Where Lua's text begins: at the end of the first line, so that lines keep their numbers. */
  readonly from: number;
  readonly flags: ScriptFlags;
}

const newline = 10;

function isShebang(body: Buffer): boolean {
  return body[0] === 35 && body[1] === 33;
}

/** The words of the first line. */
function firstLine(body: Buffer): { words: readonly string[]; from: number } | undefined {
  const end = body.indexOf(newline);
  if (end < 0) return undefined;
  const words = body
    .latin1Slice(2, end)
    .replace(/\r$/, '')
    .split(' ')
    .filter((word) => word !== '');
  // `#! name=x`: no engine at all.
  const hasEngine = body[2] !== 32 && words.length > 0;
  return { words: hasEngine ? words : ['', ...words], from: end };
}

/** @returns an error line when the first line is one, and wrong. */
export function parseScriptHead(body: Buffer): ScriptHead | string {
  if (!isShebang(body)) return { from: 0, flags: plainFlags };
  const line = firstLine(body);
  if (line === undefined) return 'ERR Invalid script shebang';
  const [engine = '', ...options] = line.words;
  if (engine !== 'lua') return `ERR Unexpected engine in script shebang: ${engine}`;
  let flags: readonly string[] | undefined;
  for (const option of options) {
    if (!option.startsWith('flags=')) return `ERR Unknown lua shebang option: ${option}`;
    if (flags !== undefined) return 'ERR Redundant flags in script shebang';
    flags = option.slice(6) === '' ? [] : option.slice(6).split(',');
    const unknown = flags.find((flag) => !knownFlags.includes(flag));
    if (unknown !== undefined) return `ERR Unknown flag given: Unexpected flag in script shebang: ${unknown}`;
  }
  return { from: line.from, flags: flagsOfWords(flags ?? []) };
}

export interface LibraryHead {
  readonly from: number;
  readonly name: string;
}

export const libraryNameError =
  'ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long';

/** @returns an error line when the first line does not name a Lua library. */
export function parseLibraryHead(code: Buffer): LibraryHead | string {
  if (!isShebang(code)) return 'ERR Missing library metadata';
  const line = firstLine(code);
  if (line === undefined) return 'ERR Invalid library metadata';
  const [engine = '', ...options] = line.words;
  if (engine === '') return "ERR Engine '' not found";
  if (engine.toLowerCase() !== 'lua') {
    return `ERR Unexpected engine in script shebang: Engine '${engine}' not found`;
  }
  let name: string | undefined;
  for (const option of options) {
    if (!option.startsWith('name=')) return `ERR Unknown lua shebang option: ${option}`;
    if (name !== undefined) return 'ERR Redundant library name in script shebang';
    name = option.slice(5).replace(/^"(.*)"$/, '$1');
  }
  if (name === undefined) return 'ERR Library name was not given';
  return /^[A-Za-z0-9_]{1,256}$/.test(name) ? { from: line.from, name } : libraryNameError;
}

/** The text of `client-output-buffer-limit`: `<class> <hard bytes> <soft bytes> <soft seconds>` for each class. */
import type { ClientKind } from '../net/connection-host.ts';
import type { OutputLimit } from '../net/output-limit.ts';

export type OutputLimits = Readonly<Record<ClientKind, OutputLimit>>;

const classes = ['normal', 'slave', 'pubsub'] as const;
/** Powers of 1024 with and without the `b`, as all sizes of the configuration. */
const units: Readonly<Record<string, number>> = { '': 1, b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** Bytes, e.g. `64mb`; undefined for anything else. */
function bytesOf(text: string): number | undefined {
  const [, digits = '', unit = ''] = /^([0-9]{1,15})(b|[kmg]b?)?$/.exec(text.toLowerCase()) ?? [];
  if (digits === '') return undefined;
  return Number(digits) * (units[unit.slice(0, 1)] ?? 1);
}

/**
 * The text with every class, in Redis' order and in bytes; a class that `text` does not name is as in `base`.
 * @returns undefined when it cannot be read.
 */
export function normalOutputLimits(text: string, base: string): string | undefined {
  const words = text.split(/[ \t]+/).filter((word) => word !== '');
  if (words.length === 0 || words.length % 4 !== 0) return undefined;
  const limits = new Map<string, string>();
  const from = base.split(' ');
  for (let i = 0; i < from.length; i += 4) limits.set(from[i] as string, from.slice(i + 1, i + 4).join(' '));
  for (let i = 0; i < words.length; i += 4) {
    const [name = '', hard = '', soft = '', seconds = ''] = words.slice(i, i + 4);
    const known = name.toLowerCase() === 'replica' ? 'slave' : name.toLowerCase();
    const [hardBytes, softBytes] = [bytesOf(hard), bytesOf(soft)];
    if (!classes.some((one) => one === known) || hardBytes === undefined || softBytes === undefined) return undefined;
    if (!/^[0-9]{1,9}$/.test(seconds)) return undefined;
    limits.set(known, `${hardBytes} ${softBytes} ${Number(seconds)}`);
  }
  return classes.map((name) => `${name} ${limits.get(name) ?? '0 0 0'}`).join(' ');
}

/** @param text as `normalOutputLimits` gives it. */
export function outputLimitsOf(text: string): OutputLimits {
  const words = text.split(' ');
  const limitOf = (name: string): OutputLimit => {
    const at = words.indexOf(name);
    const [hard, soft, seconds] = words.slice(at + 1, at + 4).map(Number);
    return { hardBytes: hard ?? 0, softBytes: soft ?? 0, softMs: (seconds ?? 0) * 1000 };
  };
  return { normal: limitOf('normal'), pubsub: limitOf('pubsub') };
}

/** Ranges of byte strings as ZRANGEBYLEX takes them: `[a` with a, `(a` without, `-` and `+` for the open ends. */
import { spanOf, type Span } from '@holdfast/engine';
import type { Request } from '@holdfast/resp';

/** One end of a range; `name` undefined for the open ends, of which `sign` says which. */
export interface LexBound {
  readonly name: Span | undefined;
  readonly isExcluded: boolean;
  readonly sign: -1 | 0 | 1;
}

/** Argument `index` as an end; undefined when it is none. A view on the request. */
export function parseLexBound(request: Request, index: number): LexBound | undefined {
  const { buffer } = request;
  const start = request.start(index);
  const end = request.end(index);
  const first = start < end ? buffer[start] : undefined;
  if (end - start === 1 && first === 45) return { name: undefined, isExcluded: false, sign: -1 };
  if (end - start === 1 && first === 43) return { name: undefined, isExcluded: false, sign: 1 };
  if (first !== 91 && first !== 40) return undefined;
  return { name: { buffer, start: start + 1, end }, isExcluded: first === 40, sign: 0 };
}

/** Whether nothing can lie between two ends, whatever the names are. */
export function isEmptyLexRange(min: LexBound, max: LexBound): boolean {
  return min.sign === 1 || max.sign === -1;
}

/** Where a range begins, included; undefined: at the first. */
export function lexStart({ name, isExcluded }: LexBound): Span | undefined {
  return name === undefined || !isExcluded ? name : successor(name);
}

/** Where a range ends, not included; undefined: behind the last. */
export function lexEnd({ name, isExcluded }: LexBound): Span | undefined {
  return name === undefined || isExcluded ? name : successor(name);
}

/** The next byte string after `name`. */
export function successor({ buffer, start, end }: Span): Span {
  return spanOf(Buffer.concat([buffer.subarray(start, end), Buffer.of(0)]));
}

/** Arguments as the engine takes them: where they stand, without copying. */
import type { Span, UserKey } from '@holdfast/engine';
import type { Request } from '@holdfast/resp';
import type { Call } from '../command.ts';
import { Refusal } from '../command.ts';

/** The key that is argument `index`, in the caller's namespace. */
export function keyOf(call: Call, request: Request, index: number): UserKey {
  return {
    namespace: call.namespace,
    buffer: request.buffer,
    start: request.start(index),
    end: request.end(index),
  };
}

export function spanOfArgument(request: Request, index: number): Span {
  return { buffer: request.buffer, start: request.start(index), end: request.end(index) };
}

/** For commands whose input is the request itself. */
export function itself(request: Request): Request {
  return request;
}

/** A wrong number of arguments that the declared arity cannot tell, e.g. a field without its value. */
export function wrongArity(name: string): Refusal {
  return new Refusal(`ERR wrong number of arguments for '${name}' command`);
}

/**
 * Argument `index` as a whole number of int64, for positions and counts of elements: what lies beyond 2^53, which no
 * collection reaches, is cut to that.
 * @returns NaN when it is none.
 */
export function longOf(request: Request, index: number): number {
  const small = request.integer(index);
  if (!Number.isNaN(small)) return small;
  const large = request.int64(index);
  if (large === undefined) return NaN;
  return large < 0n ? Number.MIN_SAFE_INTEGER : Number.MAX_SAFE_INTEGER;
}

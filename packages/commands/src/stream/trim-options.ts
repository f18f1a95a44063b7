/**
 * `MAXLEN|MINID [=|~] <threshold> [LIMIT <count>]`, of XADD and XTRIM.
 *
 * With `~` Redis removes whole nodes of its tree (`stream-node-max-entries`), because taking one apart is dear. Here an
 * entry is a record and costs the same alone, but finding the new first one costs a seek: with `~` MAXLEN lets the stream
 * grow by as many as a node has and then removes them together, the same that Redis would. MINID removes exactly.
 */
import type { StreamId, Trim } from '@holdfast/engine';
import type { Request } from '@holdfast/resp';
import { Refusal, errors } from '../command.ts';
import { int64NumberOf, invalidId, strictIdOf } from './ids.ts';

/** Nodes of which an approximate trim removes all entries at most when no LIMIT is given, as in Redis; and most entries. */
const defaultLimitNodes = 100;
const defaultLimitMax = 1_000_000;

export class TrimOptions {
  keep: number | undefined;
  minId: StreamId | undefined;
  isApproximate = false;
  limit: number | undefined;

  get isAsked(): boolean {
    return this.keep !== undefined || this.minId !== undefined;
  }

  /**
   * Reads the option that begins at argument `index`.
   * @returns the index behind it; `index` itself when it is none of these.
   */
  parse(request: Request, index: number): number | Refusal {
    const left = request.count - 1 - index;
    if (left < 1) return index;
    if (request.is(index, 'maxlen')) return this.#threshold(request, index, 'maxlen');
    if (request.is(index, 'minid')) return this.#threshold(request, index, 'minid');
    if (!request.is(index, 'limit')) return index;
    const limit = int64NumberOf(request, index + 1);
    if (limit === undefined) return new Refusal(errors.notInteger);
    if (limit < 0) return new Refusal('ERR The LIMIT argument must be >= 0.');
    this.limit = limit;
    return index + 2;
  }

  #threshold(request: Request, index: number, name: 'maxlen' | 'minid'): number | Refusal {
    if (name === 'maxlen' ? this.minId !== undefined : this.keep !== undefined) {
      return new Refusal('ERR syntax error, MAXLEN and MINID options at the same time are not compatible');
    }
    let at = index + 1;
    this.isApproximate = false;
    if (request.count - 1 - index >= 2 && (request.is(at, '~') || request.is(at, '='))) {
      this.isApproximate = request.is(at, '~');
      at++;
    }
    if (name === 'maxlen') {
      this.keep = int64NumberOf(request, at);
      if (this.keep === undefined) return new Refusal(errors.notInteger);
      if (this.keep < 0) return new Refusal('ERR The MAXLEN argument must be >= 0.');
    } else {
      this.minId = strictIdOf(request, at);
      if (this.minId === undefined) return new Refusal(invalidId);
    }
    return at + 1;
  }

  /** What is wrong with the options together. */
  check(): Refusal | undefined {
    if (this.limit === undefined) return undefined;
    if (!this.isAsked) {
      return new Refusal('ERR syntax error, LIMIT cannot be used without specifying a trimming strategy');
    }
    if (this.isApproximate) return undefined;
    return new Refusal('ERR syntax error, LIMIT cannot be used without the special ~ option');
  }

  /** What is to be removed of a stream with `size` of the `added` entries it ever had, `node` of them together if `~`. */
  trimOf(size: number, added: number, node: number): Trim {
    const { keep, minId } = this;
    let limit = this.isApproximate ? (this.limit ?? Math.min(defaultLimitNodes * node, defaultLimitMax)) : Infinity;
    if (limit === 0) limit = Infinity;
    if (minId !== undefined) return { minId, limit };
    const excess = Math.min(size - (keep as number), limit);
    if (!this.isApproximate || excess >= size) return { keep: keep as number, limit: excess };
    // As if entries had been filled into nodes: up to the end of one.
    const removed = Math.max(0, added - size);
    return { keep: keep as number, limit: excess - ((removed + excess) % node) };
  }
}

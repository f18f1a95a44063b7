/** MATCH, COUNT and TYPE of SCAN and HSCAN. Defaults and error texts are Kvrocks' (commands/scan_base.h). */
import { Glob, typeIdOf } from '@holdfast/engine';
import type { Request } from '@holdfast/resp';
import { Refusal, errors } from '../command.ts';
import { longOf } from './arguments.ts';

export interface ScanOptions {
  /** As the client gave it. */
  readonly cursor: string;
  match: Glob | undefined;
  count: number;
  type: number | undefined;
  noValues: boolean;
}

const defaultCount = 20;
/** COUNT is a hint: a single step holds up nobody for longer than this many entries take. */
const countMax = 10_000;

/**
 * @param first index of the first option.
 * @param extra which options beyond MATCH and COUNT the command knows.
 */
export function parseScanOptions(
  request: Request,
  cursorIndex: number,
  extra: { type?: boolean; noValues?: boolean },
): ScanOptions | Refusal {
  const cursor = request.latin1(cursorIndex);
  if (!/^[0-9]{1,20}$/.test(cursor)) return new Refusal('ERR invalid cursor');
  const options: ScanOptions = { cursor, match: undefined, count: defaultCount, type: undefined, noValues: false };
  for (let index = cursorIndex + 1; index < request.count;) {
    const hasValue = index + 1 < request.count;
    if (extra.noValues === true && request.is(index, 'novalues')) {
      options.noValues = true;
      index += 1;
      continue;
    }
    if (!hasValue) return new Refusal(errors.syntax);
    const refusal = takeOption(request, index, options, extra.type === true);
    if (refusal !== undefined) return refusal;
    index += 2;
  }
  return options;
}

function takeOption(request: Request, index: number, options: ScanOptions, hasType: boolean): Refusal | undefined {
  if (request.is(index, 'match')) options.match = new Glob(Buffer.from(request.bytes(index + 1)));
  else if (request.is(index, 'count')) {
    const count = longOf(request, index + 1);
    if (Number.isNaN(count)) return new Refusal(errors.notInteger);
    if (count <= 0) return new Refusal('ERR limit should be a positive integer');
    options.count = Math.min(count, countMax);
  } else if (hasType && request.is(index, 'type')) {
    options.type = typeIdOf(request.latin1(index + 1));
    if (options.type === undefined) return new Refusal('ERR Invalid type');
  } else return new Refusal(errors.syntax);
  return undefined;
}

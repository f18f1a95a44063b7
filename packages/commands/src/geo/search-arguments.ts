/** The arguments of GEOSEARCH, GEOSEARCHSTORE, GEORADIUS and GEORADIUSBYMEMBER. */
import { assert } from '@holdfast/base';
import type { Span } from '@holdfast/engine';
import type { Request } from '@holdfast/resp';
import { Refusal, errors } from '../command.ts';
import { spanOfArgument } from '../data/arguments.ts';
import { parseBox, parsePosition, parseRadius } from './arguments.ts';
import type { Position } from './geohash.ts';
import type { Shape } from './shape.ts';

/** What a command takes before its options, and which options it knows. */
export interface SearchForm {
  readonly name: string;
  /** `search`: everything is said by options. */
  readonly center: 'position' | 'member' | 'search';
  /** `option`: STORE and STOREDIST with a key; `always`: the first argument is the key, STOREDIST stands alone. */
  readonly stores: 'never' | 'option' | 'always';
}

/** A position, or the member whose position is meant: a view on the request. */
export type Center = Position | { readonly member: Span };

export interface SearchInput {
  readonly request: Request;
  /** The argument that is the key searched. */
  readonly source: number;
  /** The argument that is the key stored to. */
  readonly target: number | undefined;
  readonly storesDistance: boolean;
  readonly center: Center;
  readonly shape: Shape;
  /** Metres of the unit in which distances are told. */
  readonly unit: number;
  readonly order: 'asc' | 'desc' | undefined;
  /** 0: all. */
  readonly count: number;
  readonly any: boolean;
  readonly withDistance: boolean;
  readonly withHash: boolean;
  readonly withCoordinates: boolean;
}

/** What was read so far. */
type Draft = { -readonly [Name in Exclude<keyof SearchInput, 'center' | 'shape'>]: SearchInput[Name] } & {
  center: Center | undefined;
  shape: Shape | undefined;
};

/** Options without a value, and what they set. */
const words: readonly (readonly [string, Partial<Draft>])[] = [
  ['withdist', { withDistance: true }],
  ['withhash', { withHash: true }],
  ['withcoord', { withCoordinates: true }],
  ['any', { any: true }],
  ['asc', { order: 'asc' }],
  ['desc', { order: 'desc' }],
];

/** Takes the option at `index`. @returns how many arguments it had; 0 when the command has no such option. */
function takeOption(request: Request, index: number, form: SearchForm, draft: Draft): number | Refusal {
  for (const [word, sets] of words) {
    if (!request.is(index, word)) continue;
    Object.assign(draft, sets);
    return 1;
  }
  const values = request.count - index - 1;
  if (values >= 1 && request.is(index, 'count')) return takeCount(request, index, draft);
  if (form.stores === 'always' && request.is(index, 'storedist')) {
    draft.storesDistance = true;
    return 1;
  }
  if (form.stores === 'option' && values >= 1 && (request.is(index, 'store') || request.is(index, 'storedist'))) {
    draft.target = index + 1;
    draft.storesDistance = request.is(index, 'storedist');
    return 2;
  }
  return form.center === 'search' ? takeSearchOption(request, index, values, draft) : 0;
}

function takeCount(request: Request, index: number, draft: Draft): number | Refusal {
  const count = request.int64(index + 1);
  if (count === undefined) return new Refusal(errors.notInteger);
  if (count <= 0n) return new Refusal('ERR COUNT must be > 0');
  draft.count = Number(count);
  return 2;
}

/** Where to search. The second way of saying the same thing is no option any more. */
function takeSearchOption(request: Request, index: number, values: number, draft: Draft): number | Refusal {
  return takeCenter(request, index, values, draft) ?? takeShape(request, index, values, draft) ?? 0;
}

function takeCenter(request: Request, index: number, values: number, draft: Draft): number | Refusal | undefined {
  const { center } = draft;
  const isMember = center !== undefined && 'member' in center;
  if (values >= 1 && (center === undefined || isMember) && request.is(index, 'frommember')) {
    draft.center = { member: spanOfArgument(request, index + 1) };
    return 2;
  }
  if (values < 2 || isMember || !request.is(index, 'fromlonlat')) return undefined;
  const position = parsePosition(request, index + 1);
  if (position instanceof Refusal) return position;
  draft.center = position;
  return 3;
}

function takeShape(request: Request, index: number, values: number, draft: Draft): number | Refusal | undefined {
  const { shape } = draft;
  if (values >= 2 && shape?.kind !== 'box' && request.is(index, 'byradius')) {
    return takeRadius(request, index + 1, draft) ?? 3;
  }
  if (values < 3 || shape?.kind === 'circle' || !request.is(index, 'bybox')) return undefined;
  const box = parseBox(request, index + 1);
  if (box instanceof Refusal) return box;
  draft.shape = { kind: 'box', width: box.width.metres, height: box.height.metres };
  draft.unit = box.width.unit;
  return 4;
}

function takeRadius(request: Request, index: number, draft: Draft): Refusal | undefined {
  const radius = parseRadius(request, index);
  if (radius instanceof Refusal) return radius;
  draft.shape = { kind: 'circle', radius: radius.metres };
  draft.unit = radius.unit;
  return undefined;
}

/** What stands before the options. @returns where they begin. */
function takeHead(request: Request, form: SearchForm, draft: Draft): number | Refusal {
  if (form.center === 'search') return form.stores === 'always' ? 3 : 2;
  const radiusAt = form.center === 'position' ? 4 : 3;
  if (form.center === 'position') {
    const position = parsePosition(request, 2);
    if (position instanceof Refusal) return position;
    draft.center = position;
  } else draft.center = { member: spanOfArgument(request, 2) };
  return takeRadius(request, radiusAt, draft) ?? radiusAt + 2;
}

export function parseSearch(request: Request, form: SearchForm): SearchInput | Refusal {
  const isStored = form.stores === 'always';
  const draft: Draft = {
    request,
    source: isStored ? 2 : 1,
    target: isStored ? 1 : undefined,
    storesDistance: false,
    center: undefined,
    shape: undefined,
    unit: 1,
    order: undefined,
    count: 0,
    any: false,
    withDistance: false,
    withHash: false,
    withCoordinates: false,
  };
  let index = takeHead(request, form, draft);
  if (index instanceof Refusal) return index;
  while (index < request.count) {
    const taken = takeOption(request, index, form, draft);
    if (taken instanceof Refusal) return taken;
    if (taken === 0) return new Refusal(errors.syntax);
    index += taken;
  }
  return finish(draft, form);
}

/** What must be said, and what must not be said together. */
function refusalOf(draft: Draft, { name, stores }: SearchForm): Refusal | undefined {
  const command = name.toUpperCase();
  if (draft.target !== undefined && (draft.withDistance || draft.withHash || draft.withCoordinates)) {
    const what = stores === 'always' ? command : 'STORE option in GEORADIUS';
    return new Refusal(`ERR ${what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options`);
  }
  if (draft.center === undefined) {
    return new Refusal(`ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for ${command}`);
  }
  if (draft.shape === undefined) {
    return new Refusal(`ERR exactly one of BYRADIUS and BYBOX can be specified for ${command}`);
  }
  return draft.any && draft.count === 0 ? new Refusal('ERR the ANY argument requires COUNT argument') : undefined;
}

function finish(draft: Draft, form: SearchForm): SearchInput | Refusal {
  const { center, shape } = draft;
  const refusal = refusalOf(draft, form);
  if (refusal !== undefined) return refusal;
  assert(center !== undefined && shape !== undefined, 'a search without middle or shape is refused');
  // The nearest are meant when only some are asked for.
  const order = draft.order ?? (draft.count > 0 && !draft.any ? 'asc' : undefined);
  return { ...draft, center, shape, order };
}

/** Indexes of the keys of GEORADIUS and GEORADIUSBYMEMBER: the last STORE or STOREDIST names the second one. */
export function radiusKeys(request: Request): number[] {
  let target: number | undefined;
  for (let index = 5; index + 1 < request.count; index++) {
    if (request.is(index, 'store') || request.is(index, 'storedist')) target = ++index;
  }
  return target === undefined ? [1] : [1, target];
}

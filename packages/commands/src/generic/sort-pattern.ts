/**
 * Patterns of SORT's BY and GET: the first `*` stands for the element, which makes the name of a key with a string, or, with
 * `->field` behind, of a hash. `#` alone is the element itself.
 */
import { spanOf, type DataTypes, type Span } from '@holdfast/engine';
import type { Call } from '../command.ts';

export type SortPattern =
  | { readonly kind: 'element' }
  /** Without a `*`: there is never a value. */
  | { readonly kind: 'nothing' }
  | {
      readonly kind: 'lookup';
      readonly before: Buffer;
      readonly after: Buffer;
      readonly field: Span | undefined;
    };

const star = 42;

/** @param text may be a view that lives as long as the command. */
export function sortPattern(text: Buffer): SortPattern {
  if (text.length === 1 && text[0] === 35) return { kind: 'element' };
  const at = text.indexOf(star);
  if (at < 0) return { kind: 'nothing' };
  const arrow = text.indexOf('->', at + 1);
  const hasField = arrow >= 0 && arrow + 2 < text.length;
  return {
    kind: 'lookup',
    before: text.subarray(0, at),
    after: text.subarray(at + 1, hasField ? arrow : text.length),
    field: hasField ? spanOf(text.subarray(arrow + 2)) : undefined,
  };
}

/** The value a pattern has for an element; valid until the next read. Undefined when there is none. */
export function valueOf(types: DataTypes, call: Call, pattern: SortPattern, element: Buffer): Span | undefined {
  if (pattern.kind === 'element') return spanOf(element);
  if (pattern.kind === 'nothing') return undefined;
  const name = spanOf(Buffer.concat([pattern.before, element, pattern.after]));
  const key = { ...name, namespace: call.namespace };
  const { strings, hashes } = types;
  if (pattern.field === undefined) return strings.get(key, call.nowMs) === 'found' ? strings.value : undefined;
  return hashes.open(key, call.nowMs) === 'found' && hashes.get(pattern.field) ? hashes.value : undefined;
}

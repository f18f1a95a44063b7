/**
 * Paths into JSON documents, as RedisJSON has them: JSONPath beginning with `$`, and the older form (`.a.b[0]`, `a`,
 * `["a"]`) that means one value. This file has what a path is and how it selects; `path-parser.ts` reads it.
 *
 * A path is applied step by step, each to all nodes the one before selected, so that nothing recurses. Nodes come in the
 * order of the document: a container before what is in it, members in key order. What one command may look at is
 * bounded, for `$..*..*..*` could look at the cube of the document's size.
 */
import { isJsonObject, type JsonArray, type JsonObject, type JsonValue } from '@holdfast/engine';
import { holds, type Condition } from './filter.ts';

export type Selector =
  | { readonly kind: 'name'; readonly name: string }
  /** Negative: from the end. */
  | { readonly kind: 'index'; readonly index: number }
  | { readonly kind: 'slice'; readonly start?: number; readonly end?: number; readonly step: number }
  | { readonly kind: 'all' }
  | { readonly kind: 'filter'; readonly condition: Condition };

export interface Step {
  /** `..`: the selectors apply to a node and to everything in it. */
  readonly isDeep: boolean;
  readonly selectors: readonly Selector[];
}

export interface Path {
  /** As the client wrote it. */
  readonly text: string;
  /** Written in the older form: the reply is one value instead of an array of matches. */
  readonly isLegacy: boolean;
  readonly steps: readonly Step[];
}

/** A place in a document. */
export interface Node {
  readonly value: JsonValue;
  /** The node it stands in; undefined for the root. */
  readonly up: Node | undefined;
  /** Its key or index there. */
  readonly key: string | number;
  readonly depth: number;
}

/** Nodes that one command may still look at. */
export interface Budget {
  left: number;
}

/** A second's work, or less. */
export const visitsMax: number = 2_000_000;

export function newBudget(): Budget {
  return { left: visitsMax };
}

export function rootNode(value: JsonValue): Node {
  return { value, up: undefined, key: '', depth: 0 };
}

/**
 * The nodes that `steps` lead to from `start`, in document order; one may come twice.
 * @param root what `$` in a filter means.
 * @returns undefined when the budget does not suffice.
 */
export function select(steps: readonly Step[], start: Node, root: Node, budget: Budget): Node[] | undefined {
  let nodes = [start];
  for (const step of steps) {
    const from = step.isDeep ? descendants(nodes, budget) : nodes;
    if (budget.left < 0) return undefined;
    const next: Node[] = [];
    for (const node of from) {
      for (const selector of step.selectors) {
        apply(selector, node, { root, budget, into: next });
        if (budget.left < 0) return undefined;
      }
    }
    nodes = next;
  }
  return nodes;
}

/** Whether a path can mean one value only, whatever the document: names and indexes alone. */
export function isSingular({ steps }: Path): boolean {
  return steps.every(
    ({ isDeep, selectors }) =>
      !isDeep && selectors.length === 1 && (selectors[0]?.kind === 'name' || selectors[0]?.kind === 'index'),
  );
}

/** The nodes and everything in them, each before what is in it. */
function descendants(nodes: readonly Node[], budget: Budget): Node[] {
  const all: Node[] = [];
  const waiting: Node[] = [];
  for (const node of nodes) {
    waiting.push(node);
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      all.push(next);
      const children = childrenOf(next, budget);
      if (budget.left < 0) return [];
      for (let i = children.length - 1; i >= 0; i--) waiting.push(children[i] as Node);
    }
  }
  return all;
}

function childrenOf(node: Node, budget: Budget): Node[] {
  const { value } = node;
  const children: Node[] = [];
  if (Array.isArray(value)) {
    budget.left -= value.length;
    if (budget.left < 0) return children;
    for (let i = 0; i < value.length; i++) children.push(child(node, i, value[i] as JsonValue));
  } else if (isJsonObject(value)) {
    budget.left -= value.size;
    if (budget.left < 0) return children;
    for (const [key, member] of value) children.push(child(node, key, member));
  }
  return children;
}

function child(up: Node, key: string | number, value: JsonValue): Node {
  return { value, up, key, depth: up.depth + 1 };
}

interface Selection {
  readonly root: Node;
  readonly budget: Budget;
  readonly into: Node[];
}

function apply(selector: Selector, node: Node, selection: Selection): void {
  const { value } = node;
  const { budget, into } = selection;
  budget.left--;
  switch (selector.kind) {
    case 'name': {
      const member = isJsonObject(value) ? value.get(selector.name) : undefined;
      if (member !== undefined) into.push(child(node, selector.name, member));
      return;
    }
    case 'index':
      if (Array.isArray(value)) takeIndex(selector.index, node, value, into);
      return;
    case 'slice':
      if (Array.isArray(value)) takeSlice(selector, node, value, selection);
      return;
    case 'all':
      for (const each of childrenOf(node, budget)) into.push(each);
      return;
    case 'filter':
      for (const each of childrenOf(node, budget)) {
        if (budget.left < 0) return;
        if (holds(selector.condition, each, selection.root, budget)) into.push(each);
      }
      return;
    default:
      selector satisfies never;
  }
}

function takeIndex(index: number, node: Node, array: JsonArray, into: Node[]): void {
  const absolute = index < 0 ? array.length + index : index;
  const item = array[absolute];
  if (item !== undefined) into.push(child(node, absolute, item));
}

type Slice = Extract<Selector, { kind: 'slice' }>;

/** As RFC 9535 2.3.4.2 has it. */
function takeSlice({ start, end, step }: Slice, node: Node, array: JsonArray, { budget, into }: Selection): void {
  const length = array.length;
  const absolute = (index: number): number => (index < 0 ? length + index : index);
  const isForward = step > 0;
  const from = absolute(start ?? (isForward ? 0 : length - 1));
  const to = end === undefined ? (isForward ? length : -1) : absolute(end);
  if (isForward) {
    for (let i = Math.max(from, 0); i < Math.min(to, length); i += step) take(i);
  } else {
    for (let i = Math.min(from, length - 1); i > Math.max(to, -1); i += step) take(i);
  }
  function take(index: number): void {
    if (--budget.left >= 0) into.push(child(node, index, array[index] as JsonValue));
  }
}

/** Keys from the root to a node. */
function route(node: Node): (string | number)[] {
  const keys: (string | number)[] = [];
  for (let at = node; at.up !== undefined; at = at.up) keys.push(at.key);
  return keys.reverse();
}

function compareKeys(a: string | number, b: string | number): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return a < b ? -1 : a > b ? 1 : 0;
}

function compareRoutes(a: readonly (string | number)[], b: readonly (string | number)[]): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const order = compareKeys(a[i] as string | number, b[i] as string | number);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/** Keys of all routes together, of which a document that is deep and wide has more than there is memory. */
const routeKeysMax = 8_000_000;

/**
 * Nodes from the last route to the first, each once: the order in which Kvrocks changes them, and answers some.
 * @returns undefined when there are too many, too deep.
 */
export function fromLastToFirst(nodes: readonly Node[]): Node[] | undefined {
  if (nodes.length < 2) return [...nodes];
  let keys = 0;
  for (const { depth } of nodes) keys += depth;
  if (keys > routeKeysMax) return undefined;
  const routed = nodes.map((node) => ({ node, route: route(node) }));
  routed.sort((a, b) => compareRoutes(b.route, a.route));
  return routed
    .filter(({ route }, index) => index === 0 || compareRoutes(route, routed[index - 1]?.route ?? []) !== 0)
    .map(({ node }) => node);
}

/** Whether a path may select a node twice. */
function mayRepeat({ steps }: Path): boolean {
  return steps.some(({ selectors }) => selectors.length > 1) || steps.filter(({ isDeep }) => isDeep).length > 1;
}

/** Each node once, in the order selected. In it a container comes before what is in it. */
export function distinct(path: Path, nodes: Node[]): Node[] {
  if (nodes.length < 2 || !mayRepeat(path)) return nodes;
  const seen = new Map<JsonValue | undefined, Set<string | number>>();
  return nodes.filter(({ up, key }) => {
    const keys = seen.get(up?.value) ?? new Set();
    seen.set(up?.value, keys);
    if (keys.has(key)) return false;
    keys.add(key);
    return true;
  });
}

/** Puts `value` where `node` stands. The root has no place: its owner replaces it. */
export function replaceNode(node: Node, value: JsonValue): void {
  const container = node.up?.value as JsonArray | JsonObject;
  if (Array.isArray(container)) container[node.key as number] = value;
  else container.set(node.key as string, value);
}

/** Takes a node out of the container it stands in. */
export function removeNode(node: Node): void {
  const container = node.up?.value as JsonArray | JsonObject;
  if (Array.isArray(container)) container.splice(node.key as number, 1);
  else container.delete(node.key as string);
}

/**
 * Conditions in filters, `?(@.price < 10 && @.name =~ "^a")`. A path in a condition stands for the value it selects when
 * it selects exactly one, and for nothing otherwise; nothing equals nothing and differs from everything, as in RedisJSON.
 * Numbers compare with numbers and strings with strings; values of different types are unequal and have no order.
 */
import {
  compareJsonNumbers,
  compareText,
  isJsonObject,
  sameJson,
  type JsonArray,
  type JsonObject,
  type JsonValue,
} from '@holdfast/engine';
import { select, type Budget, type Node, type Step } from './path.ts';
import { compilePattern, patternCost, type Pattern } from './pattern.ts';

export type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>=' | '=~';

export type Operand =
  | { readonly kind: 'literal'; readonly value: JsonValue }
  | { readonly kind: 'path'; readonly isFromRoot: boolean; readonly steps: readonly Step[] }
  | { readonly kind: 'pattern'; readonly pattern: Pattern };

export type Condition =
  | { readonly kind: 'any' | 'all'; readonly of: readonly Condition[] }
  | { readonly kind: 'not'; readonly of: Condition }
  | { readonly kind: 'exists'; readonly operand: Operand }
  | { readonly kind: 'compare'; readonly comparison: Comparison; readonly left: Operand; readonly right: Operand };

/** Whether a condition holds for a node. Its depth is bounded by the parser. */
export function holds(condition: Condition, node: Node, root: Node, budget: Budget): boolean {
  budget.left--;
  switch (condition.kind) {
    case 'any':
      return condition.of.some((each) => holds(each, node, root, budget));
    case 'all':
      return condition.of.every((each) => holds(each, node, root, budget));
    case 'not':
      return !holds(condition.of, node, root, budget);
    case 'exists':
      return exists(condition.operand, node, root, budget);
    case 'compare': {
      const left = valueOf(condition.left, node, root, budget);
      if (condition.comparison === '=~') return matches(left, condition.right, node, root, budget);
      const right = valueOf(condition.right, node, root, budget);
      budget.left -= comparisonCost(left, right);
      return budget.left >= 0 && compare(condition.comparison, left, right);
    }
    default:
      return condition satisfies never;
  }
}

function exists(operand: Operand, node: Node, root: Node, budget: Budget): boolean {
  if (operand.kind === 'literal') return operand.value === true;
  if (operand.kind === 'pattern') return false;
  const nodes = select(operand.steps, operand.isFromRoot ? root : node, root, budget);
  return nodes !== undefined && nodes.length > 0;
}

function valueOf(operand: Operand, node: Node, root: Node, budget: Budget): JsonValue | undefined {
  if (operand.kind === 'literal') return operand.value;
  if (operand.kind === 'pattern') return undefined;
  const nodes = select(operand.steps, operand.isFromRoot ? root : node, root, budget);
  return nodes?.length === 1 ? nodes[0]?.value : undefined;
}

/** Characters that are compared in the time in which one value is looked at. */
const charactersPerVisit = 16;

/** What comparing two values takes at most: of texts their length, of containers everything in the smaller one. */
function comparisonCost(left: JsonValue | undefined, right: JsonValue | undefined): number {
  if (typeof left === 'string' && typeof right === 'string')
    return Math.min(left.length, right.length) / charactersPerVisit;
  if (!isContainer(left) || !isContainer(right) || sizeOf(left) !== sizeOf(right)) return 0;
  return Math.min(weightOf(left), weightOf(right));
}

function isContainer(value: JsonValue | undefined): value is JsonArray | JsonObject {
  return Array.isArray(value) || (value !== undefined && isJsonObject(value));
}

function sizeOf(value: JsonArray | JsonObject): number {
  return Array.isArray(value) ? value.length : value.size;
}

/**
 * How much there is in a value: 1 for it and for each value in it, and more for long texts. A container is counted once,
 * and anew only after it has gone.
 */
export function weightOf(value: JsonValue): number {
  if (typeof value === 'string') return 1 + value.length / charactersPerVisit;
  if (!isContainer(value)) return 1;
  const known = weights.get(value);
  if (known !== undefined) return known;
  let weight = 1;
  if (Array.isArray(value)) for (const item of value) weight += weightOf(item);
  else for (const [key, member] of value) weight += key.length / charactersPerVisit + weightOf(member);
  weights.set(value, weight);
  return weight;
}

/** Of documents that commands have in memory. Whoever changes a container has selected and weighed before. */
const weights = new WeakMap<JsonArray | JsonObject, number>();

function compare(
  comparison: Exclude<Comparison, '=~'>,
  left: JsonValue | undefined,
  right: JsonValue | undefined,
): boolean {
  if (comparison === '==') return same(left, right);
  if (comparison === '!=') return !same(left, right);
  const order = left === undefined || right === undefined ? undefined : orderOf(left, right);
  if (order === undefined) return false;
  if (comparison === '<') return order < 0;
  if (comparison === '<=') return order <= 0;
  return comparison === '>' ? order > 0 : order >= 0;
}

function same(left: JsonValue | undefined, right: JsonValue | undefined): boolean {
  return left !== undefined && right !== undefined && sameJson(left, right);
}

function orderOf(left: JsonValue, right: JsonValue): number | undefined {
  if (typeof left === 'string' && typeof right === 'string') return compareText(left, right);
  if (Array.isArray(left) || isJsonObject(left)) return undefined;
  return compareJsonNumbers(left, right);
}

/** The pattern stands in the path, or in the document: `@.name =~ @.pattern`. */
function matches(left: JsonValue | undefined, right: Operand, node: Node, root: Node, budget: Budget): boolean {
  if (typeof left !== 'string') return false;
  let pattern: Pattern | undefined;
  if (right.kind === 'pattern') pattern = right.pattern;
  else {
    const text = valueOf(right, node, root, budget);
    // What is read costs, also when it turns out to be none: that matches nothing.
    budget.left -= typeof text === 'string' ? patternCost(text) : 0;
    const compiled = typeof text === 'string' && budget.left >= 0 ? compilePattern(text) : undefined;
    pattern = typeof compiled === 'string' ? undefined : compiled;
  }
  if (pattern === undefined) return false;
  budget.left -= Math.ceil((left.length * pattern.size) / charactersPerVisit);
  return budget.left >= 0 && pattern.isFoundIn(left);
}

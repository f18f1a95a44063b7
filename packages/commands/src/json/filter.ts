/**
 * Conditions in filters, `?(@.price < 10 && @.name =~ "^a")`. A path in a condition stands for the value it selects when
 * it selects exactly one, and for nothing otherwise; nothing equals nothing and differs from everything, as in RedisJSON.
 * Numbers compare with numbers and strings with strings; values of different types are unequal and have no order.
 */
import { compareJsonNumbers, compareText, isJsonObject, sameJson, type JsonValue } from '@holdfast/engine';
import { select, type Budget, type Node, type Step } from './path.ts';
import { compilePattern, type Pattern } from './pattern.ts';

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
      return compare(condition.comparison, left, valueOf(condition.right, node, root, budget));
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
    const compiled = typeof text === 'string' ? compilePattern(text) : undefined;
    // A pattern in a document that is none matches nothing.
    pattern = typeof compiled === 'string' ? undefined : compiled;
    budget.left -= pattern?.size ?? 0;
  }
  if (pattern === undefined) return false;
  budget.left -= Math.ceil((left.length * pattern.size) / 16);
  return budget.left >= 0 && pattern.isFoundIn(left);
}

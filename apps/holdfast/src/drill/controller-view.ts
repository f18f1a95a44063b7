/** The controller's REST answers as a drill reads them: parsed once here, then believed. */
import { OperationError } from '@holdfast/base';
import type { ClusterEvent, ClusterView, NodeView, ShardView } from './cluster.ts';

type Fields = Readonly<Record<string, unknown>>;

function fail(what: string): OperationError {
  return new OperationError('CONTROLLER_ANSWER', what, { outcome: 'unknown' });
}

function fieldsOf(value: unknown, what: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw fail(`the controller answered no object for ${what}`);
}

function listOf(fields: Fields, name: string): readonly unknown[] {
  const value = fields[name];
  if (Array.isArray(value)) return value;
  throw fail(`the controller answered no list ${name}`);
}

function textOf(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value === 'string') return value;
  throw fail(`the controller answered ${name} = ${JSON.stringify(value)}, not a text`);
}

function numberOf(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value === 'number') return value;
  throw fail(`the controller answered ${name} = ${JSON.stringify(value)}, not a number`);
}

/** `data` of `GET .../status`. Throws OperationError CONTROLLER_ANSWER when a needed field is missing. */
export function parseView(data: unknown): ClusterView {
  const fields = fieldsOf(data, 'status');
  return { leaseMs: numberOf(fields, 'lease_ms'), shards: listOf(fields, 'shards').map(parseShard) };
}

function parseShard(value: unknown): ShardView {
  const fields = fieldsOf(value, 'a shard');
  return {
    index: numberOf(fields, 'index'),
    epoch: numberOf(fields, 'epoch'),
    phase: textOf(fields, 'phase'),
    lbAddress: textOf(fields, 'lb_address'),
    slotRanges: listOf(fields, 'slot_ranges').map(parseRange),
    nodes: listOf(fields, 'nodes').map(parseNode),
  };
}

function parseRange(value: unknown): readonly [number, number] {
  const match = /^([0-9]+)(?:-([0-9]+))?$/.exec(String(value));
  if (match === null) throw fail(`the controller answered the slot range ${JSON.stringify(value)}`);
  return [Number(match[1]), Number(match[2] ?? match[1])];
}

function parseNode(value: unknown): NodeView {
  const fields = fieldsOf(value, 'a node');
  return {
    id: textOf(fields, 'id'),
    address: textOf(fields, 'addr'),
    role: textOf(fields, 'role') === 'master' ? 'master' : 'slave',
    isAlive: fields['alive'] === true,
    sequence: typeof fields['sequence'] === 'number' ? fields['sequence'] : -1,
    ...(typeof fields['in_isr'] === 'boolean' ? { isInSync: fields['in_isr'] } : {}),
  };
}

/** `data` of `GET .../events`. Throws OperationError CONTROLLER_ANSWER when a needed field is missing. */
export function parseEvents(data: unknown): ClusterEvent[] {
  return listOf(fieldsOf(data, 'events'), 'events').map((value) => {
    const fields = fieldsOf(value, 'an event');
    const wallMs = Date.parse(textOf(fields, 'at'));
    if (Number.isNaN(wallMs)) throw fail(`the controller answered the time ${JSON.stringify(fields['at'])}`);
    return {
      id: numberOf(fields, 'id'),
      wallMs,
      kind: textOf(fields, 'kind'),
      shard: typeof fields['shard'] === 'number' ? fields['shard'] : null,
      epoch: typeof fields['epoch'] === 'number' ? fields['epoch'] : null,
      message: typeof fields['message'] === 'string' ? fields['message'] : '',
    };
  });
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperationError } from '@holdfast/base';
import { describeIssues, desiredSchema, mayReplace, sameBindings } from './binding-set.ts';
import type { Binding, DesiredBindings } from './driver.ts';

const a: Binding = { address: '127.0.0.1:7000', backend: '127.0.0.1:6661', drainMs: 0 };
const b: Binding = { address: '127.0.0.1:7001', backend: null, drainMs: null };

test('bindings are the same in any order and with the default of proxy written out', () => {
  assert(sameBindings([a, b], [b, { ...a, proxy: false }]));
  for (const other of [{ backend: b.backend }, { drainMs: 500 }, { drainMs: null }, { proxy: true }])
    assert(!sameBindings([a], [{ ...a, ...other }]), JSON.stringify(other));
  assert(!sameBindings([a, b], [a]));
});

test('only a higher revision replaces what stands; the same one with the same content is fine', () => {
  const current: DesiredBindings = { revision: 5, bindings: [a] };
  const stale = (error: unknown): boolean =>
    error instanceof OperationError && error.code === 'BALANCER_STALE_REVISION' && error.outcome === 'not-applied';
  assert.equal(mayReplace(current, { revision: 6, bindings: [a] }), true);
  assert.equal(mayReplace(current, { revision: 5, bindings: [{ ...a, proxy: false }] }), false);
  assert.throws(() => mayReplace(current, { revision: 5, bindings: [b] }), stale);
  assert.throws(() => mayReplace(current, { revision: 4, bindings: [a] }), stale);
});

test('desired state that cannot be meant is refused with the reason', () => {
  const refusal = (value: unknown): string => {
    const parsed = desiredSchema.safeParse(value);
    return parsed.success ? 'accepted' : describeIssues(parsed.error);
  };
  assert.equal(refusal({ revision: 1, bindings: [a, b] }), 'accepted');
  assert.match(refusal({ revision: 0, bindings: [] }), /revision/);
  assert.match(refusal({ revision: 1.5, bindings: [] }), /revision/);
  assert.match(
    refusal({ revision: 1, bindings: [a, { ...b, address: a.address }] }),
    /127\.0\.0\.1:7000 is listed twice/,
  );
  assert.match(refusal({ revision: 1, bindings: [a, { ...b, backend: a.address }] }), /is itself an address/);
  assert.match(
    refusal({ revision: 1, bindings: [{ ...a, address: 'nowhere' }] }),
    /bindings\.0\.address is not host:port/,
  );
  assert.match(refusal({ revision: 1, bindings: [{ ...a, drainMs: -1 }] }), /drainMs/);
  assert.match(refusal({ revision: 1, bindings: [{ ...a, other: 1 }] }), /other/);
});

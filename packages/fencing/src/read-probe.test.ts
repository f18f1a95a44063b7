import assert from 'node:assert/strict';
import { test } from 'node:test';
import { beginInSync, stepInSync, type InSync } from './in-sync.ts';
import { confirmedProbe, noProbes, noteProbeAnswer, startProbe } from './read-probe.ts';
import { logIdOf, nodeIdOf, shardMessage } from './testing/samples.ts';

const [b, c] = [nodeIdOf('b'), nodeIdOf('c')];
const facts = { nowMs: 0, isrTimeoutMs: 500, minIsr: 1, latestSequence: 9 };
const withIsr = (...names: string[]): InSync =>
  beginInSync(
    shardMessage({ isr: names.map((name) => ({ nodeId: nodeIdOf(name), logId: logIdOf(name) })) }),
    nodeIdOf('a'),
  );

test('a read is confirmed when every member answered a probe that was started after it', () => {
  const isr = withIsr('a', 'b', 'c');
  let probes = startProbe(startProbe(noProbes(1)));
  assert.equal(probes.started, 2);
  assert.equal(confirmedProbe(probes, isr), 0);
  probes = noteProbeAnswer(probes, b, 2);
  assert.equal(confirmedProbe(probes, isr), 0, 'c may have been promoted');
  probes = noteProbeAnswer(probes, c, 1);
  assert.equal(confirmedProbe(probes, isr), 1);
  probes = noteProbeAnswer(probes, c, 2);
  assert.equal(confirmedProbe(probes, isr), 2);
  probes = noteProbeAnswer(probes, c, 1);
  assert.equal(confirmedProbe(probes, isr), 2, 'an older answer takes nothing back');
});

test('a strangers answer confirms nothing, and alone in the ISR nothing has to be asked', () => {
  const probes = noteProbeAnswer(startProbe(noProbes(1)), c, 1);
  assert.equal(confirmedProbe(probes, withIsr('a', 'b')), 0);
  assert.equal(confirmedProbe(probes, withIsr('a')), 1);
});

test('a node that was proposed is asked too, as it may have been confirmed and promoted since', () => {
  const attached = { kind: 'attached', nodeId: b, logId: logIdOf('b'), sequence: 9 } as const;
  const isr = stepInSync(withIsr('a'), attached, facts);
  assert.deepEqual(isr.adding, [{ nodeId: b, logId: logIdOf('b') }]);
  const probes = startProbe(noProbes(1));
  assert.equal(confirmedProbe(probes, isr), 0);
  assert.equal(confirmedProbe(noteProbeAnswer(probes, b, 1), isr), 1);
});

test('an answer to a probe that was never started, or probes of another epoch, are our own bugs', () => {
  assert.throws(() => noteProbeAnswer(noProbes(1), b, 1), /only 0 were started/);
  assert.throws(() => confirmedProbe(noProbes(2), withIsr('a')), /probes of epoch 2/);
});

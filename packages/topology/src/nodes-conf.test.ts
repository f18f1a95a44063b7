import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBelow, seededRandom } from '@holdfast/base';
import type { NodeId, Version } from './cluster-node.ts';
import { parseNodes } from './node-lines.ts';
import { formatNodesConf, parseNodesConf } from './nodes-conf.ts';
import { TopologyRefusal } from './refusal.ts';
import { Topology } from './topology.ts';

const a = 'a'.repeat(40) as NodeId;
const b = 'b'.repeat(40) as NodeId;

function topology(payload: string, version: bigint, selfId?: string): Topology {
  const parsed = parseNodes(payload);
  assert.ok(!(parsed instanceof TopologyRefusal));
  return Topology.of(parsed, version as Version, selfId as NodeId | undefined);
}

function loaded(text: string): Topology {
  const parsed = parseNodesConf(text);
  assert.ok(!(parsed instanceof TopologyRefusal), parsed instanceof TopologyRefusal ? parsed.message : '');
  return parsed;
}

const one = '07c37dfeb235213a872192d90877d0cd55635b91';
const two = '07c37dfeb235213a872192d90877d0cd55635b92';
// As Kvrocks writes it: two blanks before slots, one at the end of a line without slots.
const stock = `version 2\nid ${two}\nnode ${one} 127.0.0.1 30001 master -  1-2 4-8193 10000 16381-16383\nnode ${two} 127.0.0.1 30002 slave ${one} \n`;

test('without LB addresses the file is what Kvrocks writes, byte for byte', () => {
  const known = topology(
    `${one} 127.0.0.1 30001 master - 1-2 4-8193 10000 16381-16383\n${two} 127.0.0.1 30002 slave ${one}`,
    2n,
    two,
  );
  assert.equal(formatNodesConf(known), stock);
  const noSlots = topology(`${a} h 1 master -`, 1n);
  assert.equal(formatNodesConf(noSlots), `version 1\nid \nnode ${a} h 1 master - \n`);
});

test('the file of a Kvrocks 2.10.1 node loads', () => {
  const known = loaded(`version 1\nid ${a}\nnode ${a} 127.0.0.1 18666 master -  0-16383\n`);
  assert.equal(known.version, 1n);
  assert.equal(known.self?.id, a);
  assert.equal(known.assignedSlotCount, 16384);
});

test('a file loads to what was written: LB addresses, dead replicas, versions beyond 2^53', () => {
  const known = topology(
    `${a} ::1 1 master - 0-9 lb.example 7000\n${b} h 2 slave,fail ${a} 2001:db8::1 7100\n${one} h 3 master - lb.example 7001`,
    9223372036854775807n,
    b,
  );
  const text = formatNodesConf(known);
  assert.equal(
    text,
    `# 3 nodes, LB addresses last\nversion 9223372036854775807\nid ${b}\nnode ${a} ::1 1 master -  0-9 lb.example 7000\n` +
      `node ${b} h 2 slave,fail ${a} 2001:db8::1 7100\nnode ${one} h 3 master - lb.example 7001\n`,
  );
  const again = loaded(text);
  assert.deepEqual(again.nodes, known.nodes);
  assert.equal(again.version, known.version);
  assert.equal(again.selfId, b);
  assert.equal(formatNodesConf(again), text);
});

test('ids and hosts of any characters survive', () => {
  const odd = `#"'\\ü\xa0${'x'.repeat(34)}`;
  const known = topology(`${odd} a#b"c 1 master - 5\n${b} h 2 slave ${odd}`, 1n, odd);
  const again = loaded(formatNodesConf(known));
  assert.deepEqual(again.nodes, known.nodes);
  assert.equal(again.selfId, odd);
});

test('a node that was only told its id starts from its file', () => {
  const text = formatNodesConf(Topology.uninitialized(a));
  assert.equal(text, `version -1\nid ${a}\n`);
  const again = loaded(text);
  assert.equal(again.selfId, a);
  assert.equal(again.initialized, false);
});

test('comments, blank lines, quotes and entries without a value are read as Kvrocks reads them', () => {
  const known = loaded(
    `# by hand\n\n  version   3 # three\nid \nnode "${a} h 1 master - 0-9" # first\nnode '${b} h 2 slave ${a}'\nnode\n`,
  );
  assert.equal(known.version, 3n);
  assert.equal(known.selfId, undefined);
  assert.equal(known.nodes.length, 2);
});

const node = `node ${a} h 1 master -  0-9\n`;
const wrong: readonly [string, string, number, RegExp][] = [
  ['empty', '', 1, /no newline|no version/],
  ['only a newline', '\n', 1, /no version/],
  ['without a version', `id ${a}\n${node}`, 2, /no version/],
  ['cut inside a line', `version 2\nid ${a}\n${node.slice(0, -3)}`, 3, /no newline/],
  ['cut before the nodes', `version 2\nid ${a}\n`, 2, /without any node/],
  ['with a version that is no number', `version x\n${node}`, 1, /Invalid cluster version/],
  ['with a version beyond int64', `version 9223372036854775808\n${node}`, 1, /Invalid cluster version/],
  ['with a version below -1', `version -2\n${node}`, 1, /Invalid cluster version/],
  ['with nodes of version -1', `version -1\n${node}`, 2, /node lines in a file of version -1/],
  ['with an id of another length', `version 1\nid abc\n${node}`, 2, /Invalid cluster node id/],
  ['with an unknown key', `version 1\nnodes ${a}\n${node}`, 2, /unknown key: nodes/],
  ['with two versions', `version 1\nversion 2\n${node}`, 2, /version is given twice/],
  ['with an open quote', `version 1\nnode "${a} h 1 master -\n`, 2, /malformed line/],
  ['with text after a quote', `version 1\nid "${a}"x\n${node}`, 2, /malformed line/],
  ['with a bad slot', `version 1\n\n${node}node ${b} h 2 master -  16384\n`, 4, /^Slot is out of range$/],
  ['with a bad LB address', `version 1\n${node}node ${b} h 2 master - lb\n`, 3, /^Invalid cluster nodes info: 3: LB host lb without a port$/],
  ['with an overlap', `version 1\n${node}node ${b} h 2 master - 9\n`, 3, /overlapped/],
  ['with carriage returns', `version 1\r\n${node}`, 1, /Invalid cluster version/],
  ['with zero bytes after a crash', `${'\0'.repeat(64)}\n`, 1, /.|unknown key/],
  ['with fewer nodes than announced', `# 2 nodes, LB addresses last\nversion 1\n${node}`, 3, /2 nodes are announced, 1 follow/],
]; // prettier-ignore
for (const [how, text, line, reason] of wrong) {
  test(`a file ${how} is refused and the line is named`, () => {
    const parsed = parseNodesConf(text);
    assert.ok(parsed instanceof TopologyRefusal);
    assert.match(parsed.reason, reason);
    assert.equal(parsed.line, line);
  });
}

test('a file with LB addresses that was cut anywhere is refused', () => {
  const text = formatNodesConf(
    topology(`${a} h 1 master - 0-9 lb 7\n${b} h 2 slave ${a}\n${one} h 3 master - 20`, 12n, a),
  );
  for (let length = 0; length < text.length; length++)
    assert.ok(parseNodesConf(text.slice(0, length)) instanceof TopologyRefusal, `cut at ${length}`);
  loaded(text);
});

test('a stock file that was cut inside a line is refused', () => {
  const ends = new Set(stock.split('\n').map((_, index, all) => all.slice(0, index + 1).join('\n').length + 1));
  for (let length = 0; length < stock.length; length++)
    if (!ends.has(length))
      assert.ok(parseNodesConf(stock.slice(0, length)) instanceof TopologyRefusal, `cut at ${length}`);
});

test('a file with a byte overwritten, of a fixed seed, loads or is refused with a line', () => {
  const random = seededRandom(5);
  const text = formatNodesConf(topology(`${a} h 1 master - 0-9 lb 7\n${b} h 2 slave ${a}`, 12n, a));
  for (let round = 0; round < 5000; round++) {
    const at = randomBelow(random, text.length);
    const parsed = parseNodesConf(
      text.slice(0, at) + String.fromCharCode(randomBelow(random, 256)) + text.slice(at + 1),
    );
    if (parsed instanceof TopologyRefusal) assert.ok(parsed.line !== undefined && parsed.line >= 1);
  }
});

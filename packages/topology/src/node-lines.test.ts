import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBelow, randomText, seededRandom } from '@holdfast/base';
import { parseVersion, type Version } from './cluster-node.ts';
import { parseNodes, type ParsedNodes } from './node-lines.ts';
import { TopologyRefusal } from './refusal.ts';
import { slotCount } from './slot.ts';
import { Topology } from './topology.ts';

const a = 'a'.repeat(40);
const b = 'b'.repeat(40);
const c = 'kvrockskvrockskvrockskvrockskvrocksnode1';
const version = 1n as Version;

function accepted(payload: string): ParsedNodes {
  const parsed = parseNodes(payload);
  assert.ok(!(parsed instanceof TopologyRefusal), parsed instanceof TopologyRefusal ? parsed.message : '');
  return parsed;
}

/** The payload as it would be sent back: what the parser understood. */
function lines(payload: string): string[] {
  return Topology.of(accepted(payload), version).nodeLines();
}

// Six nodes, an LB address on one master and on one replica (the shape of apache/kvrocks issue 3089).
const sixNodes = [
  '07c37dfeb235213a872192d90877d0cd55635b91 10.0.0.1 30001 master - 0-5460 192.168.1.100 6379',
  '07c37dfeb235213a872192d90877d0cd55635b92 10.0.0.2 30002 master - 5461-10922',
  '07c37dfeb235213a872192d90877d0cd55635b93 10.0.0.3 30003 master - 10923-16383',
  '07c37dfeb235213a872192d90877d0cd55635b94 10.0.0.4 30004 slave 07c37dfeb235213a872192d90877d0cd55635b91 192.168.1.101 6379',
  '07c37dfeb235213a872192d90877d0cd55635b95 10.0.0.5 30005 slave 07c37dfeb235213a872192d90877d0cd55635b92',
  '07c37dfeb235213a872192d90877d0cd55635b96 10.0.0.6 30006 slave 07c37dfeb235213a872192d90877d0cd55635b93',
];

test('six nodes with an LB address on one master and one replica are read in their order', () => {
  const { nodes, owners } = accepted(sixNodes.join('\n'));
  assert.deepEqual(
    nodes.map((node) => node.lb),
    [
      { host: '192.168.1.100', port: 6379 },
      undefined,
      undefined,
      { host: '192.168.1.101', port: 6379 },
      undefined,
      undefined,
    ],
  );
  assert.deepEqual(
    [0, 5460, 5461, 10922, 10923, 16383].map((slot) => owners[slot]),
    [0, 0, 1, 1, 2, 2],
  );
  assert.deepEqual(lines(sixNodes.join('\n')), sixNodes);
});

// What is written on the left means what is written on the right.
const leniences: readonly [string, string, string][] = [
  ['any number of blanks', `  ${a}   h 1  master \t -   5  \t`, `${a} h 1 master - 5`],
  ['empty lines', `\n\n${a} h 1 master - 5\n   \n`, `${a} h 1 master - 5`],
  ['roles in any case', `${a} h 1 MASTER -`, `${a} h 1 master -`],
  ['replica for slave', `${a} h 1 Replica ${b}`, `${a} h 1 slave ${b}`],
  ['a replica that was found dead', `${a} h 1 slave,FAIL ${b}`, `${a} h 1 slave,fail ${b}`],
  ['a dead replica with an LB address', `${a} h 1 slave,fail ${b} lb 7`, `${a} h 1 slave,fail ${b} lb 7`],
  ['a range with a part missing is one slot', `${a} h 1 master - 5- -7 --9`, `${a} h 1 master - 5 7 9`],
  ['doubled hyphens', `${a} h 1 master - 5--9`, `${a} h 1 master - 5-9`],
  ['leading zeros', `${a} h 007 master - 0005`, `${a} h 7 master - 5`],
  ['neighbouring slots merge', `${a} h 1 master - 4 5 6-9 1`, `${a} h 1 master - 1 4-9`],
  ['an internal host of any text', `${a} not_a/host! 1 master -`, `${a} not_a/host! 1 master -`],
  ['IPv6 everywhere', `${a} ::1 1 master - 5 fe80::2 7000`, `${a} ::1 1 master - 5 fe80::2 7000`],
  ['a master with an LB address and no slots', `${a} h 1 master - lb.example 7000`, `${a} h 1 master - lb.example 7000`],
  ['an LB port that looks like a slot', `${a} h 1 master - 5 lb 7000`, `${a} h 1 master - 5 lb 7000`],
  ['an LB address on a replica', `${a} h 1 slave ${b} 10.0.0.9 16383`, `${a} h 1 slave ${b} 10.0.0.9 16383`],
  ['an LB address that is the own internal one', `${a} h 1 master - h 1`, `${a} h 1 master - h 1`],
  ['an LB host name of 40 characters', `${a} h 1 master - 5 ${'x'.repeat(36)}.com 7`, `${a} h 1 master - 5 ${'x'.repeat(36)}.com 7`],
  ['an id that is not hexadecimal', `${c} h 1 master - 5`, `${c} h 1 master - 5`],
  ['a replica of an unknown master', `${a} h 1 slave ${b}`, `${a} h 1 slave ${b}`],
  ['the highest LB port', `${a} h 1 master - lb 65535`, `${a} h 1 master - lb 65535`],
]; // prettier-ignore
for (const [name, payload, line] of leniences) {
  test(`accepted: ${name}`, () => assert.deepEqual(lines(payload), [line]));
}

test('of two lines with one id the later one counts, with the slots of both', () => {
  assert.deepEqual(lines(`${a} h 1 master - 1-3\n${b} h 2 master - 9\n${a} h 4 master - 5 lb 7`), [
    `${b} h 2 master - 9`,
    `${a} h 4 master - 1-3 5 lb 7`,
  ]);
});

test('slots of a line whose id a later line makes a replica have no owner', () => {
  const { nodes, owners } = accepted(`${a} h 1 master - 1-3\n${a} h 1 slave ${b}`);
  assert.equal(nodes.length, 1);
  assert.ok(owners.every((owner) => owner === -1));
});

test('replicas of one shard may share an LB address, however its host is written', () => {
  accepted(`${a} h 1 master - 5\n${b} h 2 slave ${a} ::1 7\n${c} h 3 slave ${a} 0:0::1 7`);
});

const kvrocks: readonly [string, string, string][] = [
  ['nothing at all', '', 'Invalid cluster nodes info'],
  ['empty lines only', '\n \n\n', 'Invalid cluster nodes info'],
  ['fewer than five fields', `${a} h 1 master`, 'Invalid cluster nodes info'],
  ['a short id', `${a.slice(1)} h 1 master -`, 'Invalid cluster node id'],
  ['a long id', `${a}a h 1 master -`, 'Invalid cluster node id'],
  ['a port that is no number', `${a} h x master -`, 'Invalid cluster node port'],
  ['a port beyond 65535', `${a} h 65536 master -`, 'Invalid cluster node port'],
  ['a negative port', `${a} h -1 master -`, 'Invalid cluster node port'],
  ['host:port in one field', `${a} h:1 master - 5 6`, 'Invalid cluster node port'],
  ['an unknown role', `${a} h 1 primary -`, 'Invalid cluster node role'],
  ['a failed master', `${a} h 1 master,fail -`, 'Invalid cluster node role'],
  ['a master with a master', `${a} h 1 master ${b}`, 'Invalid cluster node id'],
  ['a replica without a master', `${a} h 1 slave -`, 'Invalid cluster node id'],
  ['a replica with slots', `${a} h 1 slave ${b} 5`, 'Invalid cluster nodes info'],
  ['a replica with slots before its LB address', `${a} h 1 slave ${b} 1-5 lb 7`, 'Invalid cluster nodes info'],
  ['a replica with a stray hyphen', `${a} h 1 slave ${b} -`, 'Invalid cluster nodes info'],
  ['a slot beyond the last', `${a} h 1 master - 16384`, 'Slot is out of range'],
  ['a range beyond the last', `${a} h 1 master - 5-16384`, 'Slot is out of range'],
  ['a range of one slot', `${a} h 1 master - 5-5`, 'Slot is out of range'],
  ['a range that goes back', `${a} h 1 master - 6-5`, 'Slot is out of range'],
  ['a range of three parts', `${a} h 1 master - 1-2-3`, 'Slot is out of range'],
  ['a hyphen without slots', `${a} h 1 master - -`, 'Slot is out of range'],
  ['a slot number of many digits', `${a} h 1 master - ${'9'.repeat(60)}`, 'Slot is out of range'],
  ['an LB host of digits', `${a} h 1 master - 99999 7000`, 'Slot is out of range'],
  ['a slot twice in a line', `${a} h 1 master - 5 4-6`, 'Slot distribution is overlapped'],
  ['a slot twice in two lines', `${a} h 1 master - 5\n${b} h 2 master - 0-5`, 'Slot distribution is overlapped'],
  ['carriage returns after slots', `${a} h 1 master - 0-5\r\n${b} h 2 master - 6`, 'Slot is out of range'],
  ['carriage returns after a master', `${a} h 1 master -\r\n`, 'Invalid cluster node id'],
  ['carriage returns after a replica', `${a} h 1 slave ${b}\r\n`, 'Invalid cluster node id'],
  ['a line of a carriage return', `${a} h 1 master -\n\r\n`, 'Invalid cluster nodes info'],
  ['a missing newline after slots', `${a} h 1 master - 5 ${b} h 2 slave ${a}`, 'Invalid nodes definition: Missing newline between node entries.'],
  ['a missing newline after a replica', `${a} h 1 slave ${b} ${b} h 2 master -`, 'Invalid nodes definition: Missing newline between node entries.'],
  ['a missing newline before an id that is not hexadecimal', `${a} h 1 master - 5 ${c} h 2 master - 6`, 'Invalid nodes definition: Missing newline between node entries.'],
  ['a hexadecimal id alone after the slots', `${a} h 1 master - 5 ${b}`, 'Invalid nodes definition: Missing newline between node entries.'],
  ['an id of 40 digits after the slots', `${a} h 1 master - 5 ${'1'.repeat(40)}`, 'Invalid nodes definition: Missing newline between node entries.'],
]; // prettier-ignore
for (const [name, payload, reason] of kvrocks) {
  test(`refused as Kvrocks refuses it: ${name}`, () => {
    const parsed = parseNodes(payload);
    assert.ok(parsed instanceof TopologyRefusal);
    assert.equal(parsed.message, `ERR ${reason}`);
  });
}

const lb: readonly [string, string, string][] = [
  ['a host without a port', `${a} h 1 master - 5 lb`, '1: LB host lb without a port'],
  ['a replica with a host without a port', `${b} h 2 master -\n\n${a} h 1 slave ${b} lb`, '3: LB host lb without a port'],
  ['a slot token with a typing error', `${a} h 1 master - 0-10x`, '1: LB host 0-10x without a port'],
  ['a port that is no number', `${a} h 1 master - 5 lb port`, '1: LB port port is not in 1..65535'],
  ['port 0', `${a} h 1 master - 5 lb 0`, '1: LB port 0 is not in 1..65535'],
  ['port 65536', `${a} h 1 master - 5 lb 65536`, '1: LB port 65536 is not in 1..65535'],
  ['a range as port', `${a} h 1 master - 5 lb 1-2`, '1: LB port 1-2 is not in 1..65535'],
  ['something after the port', `${a} h 1 master - 5 lb 7 x`, '1: x after the LB port, which ends a node line'],
  ['slots after the port', `${a} h 1 master - 5 lb 7 6-9`, '1: 6-9 after the LB port, which ends a node line'],
  ['a host that is none', `${a} h 1 master - 5 l_b 7`, '1: LB host l_b is neither an IPv4 or IPv6 address nor a host name'],
  ['an address out of range', `${a} h 1 master - 300.1.1.1 7`, '1: LB host 300.1.1.1 is neither an IPv4 or IPv6 address nor a host name'],
  ['IPv6 in brackets', `${a} h 1 master - [::1] 7`, '1: LB host [::1] is neither an IPv4 or IPv6 address nor a host name'],
  ['host:port in one field', `${a} h 1 master - lb:7 7`, '1: LB host lb:7 is neither an IPv4 or IPv6 address nor a host name'],
  ['a carriage return after the port', `${a} h 1 master - 5 lb 7\r\n`, '1: LB port 7? is not in 1..65535'],
  ['a carriage return in the internal host', `${a} h\r 1 master -`, '1: carriage return in host h?'],
  ['an address of two masters', `${a} h 1 master - lb 7\n${b} h 2 master - LB 7`, '2: LB address LB 7 is already used by another shard in line 1'],
  ['an address of replicas of two shards', `${a} h 1 slave ${c} lb 7\n${b} h 2 slave ${a} lb 7`, '2: LB address lb 7 is already used by another shard in line 1'],
  ['an address of a master and its replica', `${a} h 1 master - lb 7\n${b} h 2 slave ${a} lb 7`, '2: LB address lb 7 is already used by the master of the shard in line 1'],
  ['an address of a replica and its master', `${b} h 2 slave ${a} lb 7\n${a} h 1 master - lb 7`, '2: LB address lb 7 is already used by the replica of the shard in line 1'],
  ["another node's internal address, given later", `${a} h 1 master - H 2\n${b} h 2 master -`, `1: LB address H 2 is the internal address of node ${b}`],
  ["another node's internal IPv6 address", `${b} ::1 2 master -\n${a} h 1 master - 0::1 2`, `2: LB address 0::1 2 is the internal address of node ${b}`],
  ['an internal address that it shares', `${a} h 1 master - h 1\n${b} h 1 master -`, `1: LB address h 1 is the internal address of node ${b}`],
]; // prettier-ignore
for (const [name, payload, rest] of lb) {
  test(`refused LB address: ${name}`, () => {
    const parsed = parseNodes(payload);
    assert.ok(parsed instanceof TopologyRefusal);
    assert.equal(parsed.message, `ERR Invalid cluster nodes info: ${rest}`);
    assert.equal(parsed.line, Number(rest.split(':', 1)[0]));
  });
}

test('the first line that is wrong is the one that is named', () => {
  const parsed = parseNodes(`${a} h 1 master - 5\n${b} h 2 master - 6 lb\n${c} h 3 nonsense -`);
  assert.ok(parsed instanceof TopologyRefusal);
  assert.equal(parsed.line, 2);
});

test('topologies of a fixed seed come back from their own node lines', () => {
  const random = seededRandom(3089);
  for (let round = 0; round < 60; round++) {
    const payload = randomTopology(random);
    const topology = Topology.of(accepted(payload), version);
    const again = Topology.of(accepted(topology.nodeLines().join('\n')), version);
    assert.deepEqual(again.nodes, topology.nodes);
    assert.deepEqual(again.nodeLines(), topology.nodeLines());
    for (let slot = 0; slot < slotCount; slot += 97)
      assert.equal(again.ownerOf(slot as never)?.id, topology.ownerOf(slot as never)?.id);
  }
});

function randomTopology(random: ReturnType<typeof seededRandom>): string {
  const masters = 1 + randomBelow(random, 6);
  const rows: string[] = [];
  let next = 0;
  for (let shard = 0; shard < masters; shard++) {
    const id = randomText(random, 40, 'abcXYZ#"\\\'0189');
    const slots: string[] = [];
    for (let n = randomBelow(random, 4); n > 0 && next < 16000; n--) {
      const start = next + randomBelow(random, 300);
      const stop = start + randomBelow(random, 300);
      slots.push(start === stop ? String(start) : `${start}-${stop}`);
      next = stop + 1;
    }
    const pair = randomBelow(random, 2) === 0 ? ` lb-${shard}.example ${7000 + shard}` : '';
    rows.push(`${id} 10.0.0.${shard} 6666 master - ${slots.join(' ')}${pair}`);
    for (let n = randomBelow(random, 3); n > 0; n--) {
      const shared = randomBelow(random, 2) === 0 ? ` 2001:db8::${shard} 7100` : '';
      const role = randomBelow(random, 4) === 0 ? 'slave,fail' : 'slave';
      rows.push(`${randomText(random, 40, '0123456789abcdef')} ::${shard}:${n} 6666 ${role} ${id}${shared}`);
    }
  }
  return rows.join('\n');
}

test('garbage of a fixed seed is accepted or refused, never more', () => {
  const random = seededRandom(7);
  const words = [
    a,
    b,
    c,
    'h',
    '1',
    '70000',
    'master',
    'slave',
    '-',
    '0-100',
    '5',
    '16384',
    'lb',
    '::1',
    '\r',
    '#',
    '"',
    '',
  ];
  for (let round = 0; round < 20000; round++) {
    let payload = '';
    for (let n = randomBelow(random, 24); n > 0; n--)
      payload += (words[randomBelow(random, words.length)] ?? '') + (randomBelow(random, 9) === 0 ? '\n' : ' ');
    if (randomBelow(random, 3) === 0) payload = `${a} h 1 master - ${payload}`;
    const parsed = parseNodes(payload);
    if (parsed instanceof TopologyRefusal) assert.match(parsed.message, /^ERR [\x20-\x7e]+$/);
    else accepted(Topology.of(parsed, version).nodeLines().join('\n'));
  }
});

test('versions are whole int64 numbers and never rounded', () => {
  assert.equal(parseVersion('9223372036854775807'), 9223372036854775807n);
  assert.equal(parseVersion('9007199254740993'), 9007199254740993n);
  assert.equal(parseVersion('-1'), -1n);
  assert.equal(parseVersion('+7'), 7n);
  for (const text of ['', '-', '+', '1.0', '1e3', ' 1', '9223372036854775808', '-9223372036854775809', '0x1', 'one'])
    assert.equal(parseVersion(text), undefined, text);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommandTable } from '../table.ts';
import { Refusal } from '../command.ts';
import { ReplyWriter, Request } from '@holdfast/resp';
import { TopologyRefusal, Topology, parseNodes, type NodeId, type Version } from '@holdfast/topology';
import type { Session } from '../session.ts';
import { clusterCommands } from './index.ts';
import type { ClusterPort, LeaseReply } from './port.ts';

const a = 'a'.repeat(40);
const b = 'b'.repeat(40);
const payload = `${a} 10.0.0.1 6661 master - 0-99 lb.example 7000\n${b} 10.0.0.2 6662 slave ${a} 10.0.0.9 7100`;

function topologyOf(text: string, selfId?: string): Topology {
  const parsed = parseNodes(text);
  assert.ok(!(parsed instanceof TopologyRefusal));
  return Topology.of(parsed, 2n as Version, selfId as NodeId | undefined);
}

/** A port that answers from a fixed topology and notes what it was asked. */
class FakeCluster {
  topology: Topology = topologyOf(payload, a);
  refusal: string | undefined;
  view: 'lb' | 'internal' = 'lb';
  leaseReply: LeaseReply | Promise<LeaseReply> = { kind: 'ok' };
  readonly asked: string[] = [];

  get port(): ClusterPort {
    const note = (...parts: unknown[]): string | undefined => {
      this.asked.push(parts.map((part) => (typeof part === 'object' ? JSON.stringify(part) : String(part))).join(' '));
      return this.refusal;
    };
    const answer = (...parts: unknown[]): LeaseReply | Promise<LeaseReply> => {
      note(...parts);
      return this.leaseReply;
    };
    return {
      state: {
        topology: this.topology,
        setNodeId: (id) => note('setNodeId', id),
        setNodes: (text, version, force) => note('setNodes', text, version, force),
        setSlot: (ranges, id, version) => note('setSlot', ranges, id, version),
        reset: () => note('reset'),
      },
      keys: {
        countKeysInSlot: (slot) => slot * 10,
        keysInSlot: (slot, limit) => ['k1', 'k2', 'k3'].slice(0, limit).map((key) => Buffer.from(`${key}@${slot}`)),
      },
      lease: {
        heartbeat: (args, reply) => {
          note('heartbeat', ...args);
          reply.bulkText('role:master\r\n');
        },
        attach: (_session, args) => {
          note('attach', ...args);
          return '+COMMON 7 2';
        },
        shard: (args) => answer('shard', ...args),
        resign: (epoch) => answer('resign', epoch),
        hold: (epoch, holdMs) => answer('hold', epoch, holdMs),
        unhold: (epoch) => answer('unhold', epoch),
        release: (epoch, owner) => answer('release', epoch, owner),
      },
      view: this.view,
      selfControlPort: 9001,
      replicationOffset: () => 77,
    };
  }
}

interface Client {
  readonly session: Session;
  readonly reply: ReplyWriter;
  /** What a deferred reply became. */
  later: string | undefined;
}

function client(admin = true): Client {
  const reply = new ReplyWriter();
  const made: Client = { session: undefined as never, reply, later: undefined };
  const session = {
    admin,
    readonlyMode: false,
    asking: false,
    defer: () => ({
      settled: false,
      complete: (write: (reply: ReplyWriter) => void) => {
        const writer = new ReplyWriter();
        write(writer);
        made.later = writer.take().toString('latin1');
      },
      abandon: () => (made.later = 'closed'),
    }),
  };
  return Object.assign(made, { session: session as unknown as Session });
}

function run(port: ClusterPort | undefined, from: Client, ...args: string[]): string {
  const table = new CommandTable().add(clusterCommands(port));
  const request = Request.of(...args.map((arg) => Buffer.from(arg, 'latin1')));
  const definition = table.lookup(request);
  assert.ok(definition);
  const input = definition.parse(request);
  if (input instanceof Refusal) return `-${input.message}\r\n`;
  const call = { nowMs: 1700000000000, namespace: undefined as never, session: from.session };
  definition.run(call, input, from.reply);
  return from.reply.take().toString('latin1');
}

function ask(fake: FakeCluster, ...args: string[]): string {
  return run(fake.port, client(), ...args);
}

const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`;
const clusterUsage =
  '-ERR CLUSTER command, CLUSTER INFO|NODES|SLOTS|KEYSLOT|RESET|REPLICAS|SLAVES|SHARDS|COUNTKEYSINSLOT|GETKEYSINSLOT|MYID\r\n';
const clusterxUsage =
  '-ERR CLUSTERX command, CLUSTERX VERSION|MYID|SETNODEID|SETNODES|SETSLOT|NODES|HEARTBEAT|SHARD|ATTACH|RESIGN|HOLD|UNHOLD|RELEASE\r\n';
const times = '1699999999999 1700000000000 2 connected';

const answers: readonly [string[], string][] = [
  [['CLUSTER', 'KEYSLOT', 'foo{hash_tag}'], ':2515\r\n'],
  [['CLUSTER', 'MYID'], bulk(a)],
  [['CLUSTER', 'COUNTKEYSINSLOT', '7'], ':70\r\n'],
  [['CLUSTER', 'GETKEYSINSLOT', '7', '2'], `*2\r\n${bulk('k1@7')}${bulk('k2@7')}`],
  [['CLUSTER', 'NODES'], bulk(`${a} lb.example:7000@9001 myself,master - ${times} 0-99\n${b} 10.0.0.9:7100@16662 slave ${a} ${times}\n`)],
  [['CLUSTER', 'REPLICAS', a], bulk(`${b} 10.0.0.9:7100@16662 slave ${a} ${times}\n`)],
  [['CLUSTER', 'SLAVES', a], `*1\r\n${bulk(`${b} 10.0.0.9:7100@16662 slave ${a} ${times}`)}`],
  [['cluster', 'replicas', b], "-ERR The node isn't a master\r\n"],
  [['cluster', 'replicas', 'x'], '-ERR Invalid cluster node id\r\n'],
  [['CLUSTER', 'SLOTS'], `*1\r\n*4\r\n:0\r\n:99\r\n*3\r\n${bulk('lb.example')}:7000\r\n${bulk(a)}*3\r\n${bulk('10.0.0.9')}:7100\r\n${bulk(b)}`],
  [['CLUSTER', 'COUNTKEYSINSLOT', '16384'], '-ERR Invalid slot\r\n'],
  [['CLUSTER', 'COUNTKEYSINSLOT', 'x'], '-ERR value is not an integer or out of range\r\n'],
  [['CLUSTER', 'GETKEYSINSLOT', '-1', '2'], '-ERR Invalid slot or number of keys\r\n'],
  [['CLUSTER', 'GETKEYSINSLOT', '1', '-2'], '-ERR Invalid slot or number of keys\r\n'],
  [['CLUSTER', 'RESET', 'HARD'], '+OK\r\n'],
  [['CLUSTER', 'RESET', 'softly'], '-ERR syntax error\r\n'],
  [['CLUSTER', 'MEET', '1', '2'], clusterUsage],
  [['CLUSTER', 'KEYSLOT'], clusterUsage],
  [['CLUSTER', 'INFO', 'x'], clusterUsage],
  [['CLUSTERX', 'VERSION'], bulk('2')],
  [['CLUSTERX', 'MYID'], bulk(a)],
  [['CLUSTERX', 'NODES'], bulk(`${payload}\n`)],
  [['CLUSTERX', 'SETNODEID', b], '+OK\r\n'],
  [['CLUSTERX', 'SETNODEID', 'short'], clusterxUsage],
  [['CLUSTERX', 'SETNODES', payload, '9223372036854775807'], '+OK\r\n'],
  [['CLUSTERX', 'SETNODES', payload, '3', 'FORCE'], '+OK\r\n'],
  [['CLUSTERX', 'SETNODES', payload], clusterxUsage],
  [['CLUSTERX', 'SETNODES', payload, 'x'], '-ERR Invalid version\r\n'],
  [['CLUSTERX', 'SETNODES', payload, '9223372036854775808'], '-ERR Invalid version\r\n'],
  [['CLUSTERX', 'SETNODES', payload, '3', '1'], '-ERR Invalid setnodes options\r\n'],
  [['CLUSTERX', 'SETNODES', payload, '3', 'force', 'x'], '-ERR Invalid setnodes options\r\n'],
  [['CLUSTERX', 'SETSLOT', '1-5 7', 'NODE', a, '3'], '+OK\r\n'],
  [['CLUSTERX', 'SETSLOT', '1', 'NODE', a], clusterxUsage],
  [['CLUSTERX', 'SETSLOT', '', 'NODE', a, '3'], '-ERR No slots to parse.\r\n'],
  [['CLUSTERX', 'SETSLOT', '1', 'node', 'x', '3'], '-ERR Invalid node id\r\n'],
  [['CLUSTERX', 'SETSLOT', '1', 'stable', a, '3'], '-ERR Invalid setslot options\r\n'],
  [['CLUSTERX', 'SETSLOT', '1', 'NODE', a, 'x'], '-ERR value is not an integer or out of range\r\n'],
  [['CLUSTERX', 'SETSLOT', '1', 'NODE', a, '-3'], '-ERR Invalid version\r\n'],
  [['CLUSTERX', 'FAILOVER'], clusterxUsage],
  [['CLUSTERX', 'HEARTBEAT', a, '500', '7'], bulk('role:master\r\n')],
  [['CLUSTERX', 'SHARD', '7', '1'], '+OK\r\n'],
  [['CLUSTERX', 'RESIGN'], '-ERR wrong number of arguments\r\n'],
  [['CLUSTERX', 'RESIGN', 'x'], '-ERR value is not an integer or out of range\r\n'],
  [['CLUSTERX', 'HOLD', '7', '0'], '-ERR value is not an integer or out of range\r\n'],
  [['CLUSTERX', 'RELEASE', '7', 'nowhere'], '-ERR invalid address, expected host:port\r\n'],
]; // prettier-ignore
for (const [args, reply] of answers) {
  test(`${args.map((arg) => arg.slice(0, 20).split('\n', 1)[0]).join(' ')} -> ${reply.slice(0, 30).split('\r', 1)[0]}`, () =>
    assert.equal(ask(new FakeCluster(), ...args), reply));
}

test('CLUSTER SHARDS is an array of maps, and knows the own offset only', () => {
  const reply = ask(new FakeCluster(), 'CLUSTER', 'SHARDS');
  const strings = reply.split('\r\n').filter((part) => part !== '' && !/^[*$]/.test(part));
  assert.deepEqual(strings, [
    ...['slots', ':0', ':99', 'nodes'],
    ...['id', a, 'port', ':7000', 'ip', 'lb.example', 'endpoint', 'lb.example', 'hostname', 'lb.example'],
    ...['role', 'master', 'replication-offset', ':77', 'health', 'online'],
    ...['id', b, 'port', ':7100', 'ip', '10.0.0.9', 'endpoint', '10.0.0.9'],
    ...['role', 'replica', 'replication-offset', ':0', 'health', 'online'],
  ]);
  assert.ok(reply.startsWith(`*1\r\n*4\r\n${bulk('slots')}*2\r\n:0\r\n:99\r\n${bulk('nodes')}*2\r\n*16\r\n`));
  const three = client();
  three.reply.protocol = 3;
  assert.ok(run(new FakeCluster().port, three, 'CLUSTER', 'SHARDS').startsWith(`*1\r\n%2\r\n${bulk('slots')}`));
});

test('texts are verbatim in RESP3 and keep ids of any bytes', () => {
  const odd = '\xff'.repeat(40);
  const fake = new FakeCluster();
  fake.topology = topologyOf(`${odd} h 1 master - 5`);
  const three = client();
  three.reply.protocol = 3;
  assert.equal(run(fake.port, three, 'CLUSTERX', 'NODES'), `=60\r\ntxt:${odd} h 1 master - 5\n\r\n`);
});

test('the internal view shows internal addresses everywhere', () => {
  const fake = new FakeCluster();
  fake.view = 'internal';
  for (const sub of ['NODES', 'SLOTS', 'SHARDS']) {
    const reply = ask(fake, 'CLUSTER', sub);
    assert.match(reply, /10\.0\.0\.1/);
    assert.doesNotMatch(reply, /lb\.example|7100/);
  }
});

test('setters are handed parsed values, and their refusal is the reply', () => {
  const fake = new FakeCluster();
  ask(fake, 'CLUSTERX', 'SETNODES', 'text', '9223372036854775807', 'force');
  ask(fake, 'CLUSTERX', 'SETSLOT', '1-5 7', 'NODE', a, '3');
  assert.deepEqual(fake.asked, [
    'setNodes text 9223372036854775807 true',
    `setSlot [{"start":1,"stop":5},{"start":7,"stop":7}] ${a} 3`,
  ]);
  fake.refusal = 'ERR Slot is out of range';
  assert.equal(ask(fake, 'CLUSTERX', 'SETNODES', 'text', '3'), '-ERR Slot is out of range\r\n');
  assert.equal(ask(fake, 'CLUSTER', 'RESET'), '-ERR Slot is out of range\r\n');
});

test('before any topology only questions that need none are answered', () => {
  const fake = new FakeCluster();
  fake.topology = Topology.uninitialized();
  const down = '-CLUSTERDOWN The cluster is not initialized\r\n';
  for (const sub of ['INFO', 'NODES', 'SLOTS', 'SHARDS']) assert.equal(ask(fake, 'CLUSTER', sub), down);
  assert.equal(ask(fake, 'CLUSTER', 'REPLICAS', a), down);
  assert.equal(ask(fake, 'CLUSTERX', 'NODES'), down);
  assert.equal(ask(fake, 'CLUSTERX', 'VERSION'), bulk('-1'));
  assert.equal(ask(fake, 'CLUSTERX', 'MYID'), bulk(''));
  assert.equal(ask(fake, 'CLUSTER', 'KEYSLOT', 'foo'), ':12182\r\n');
});

test('outside cluster mode and without the admin role everything is refused, redirection marks excepted', () => {
  const disabled = '-ERR Cluster mode is not enabled\r\n';
  assert.equal(run(undefined, client(), 'CLUSTER', 'INFO'), disabled);
  assert.equal(run(undefined, client(), 'CLUSTERX', 'HEARTBEAT', a, '500', '7'), disabled);
  const denied = '-ERR admin permission required to perform the command\r\n';
  const fake = new FakeCluster();
  assert.equal(run(fake.port, client(false), 'CLUSTER', 'SLOTS'), denied);
  assert.equal(run(fake.port, client(false), 'CLUSTERX', 'SETNODES', payload, '3'), denied);
  assert.deepEqual(fake.asked, []);
  assert.equal(run(undefined, client(false), 'READONLY'), '+OK\r\n');
});

test('READONLY, READWRITE and ASKING mark the connection', () => {
  const from = client(false);
  const seen: unknown[] = [];
  for (const name of ['READONLY', 'ASKING', 'READWRITE']) {
    assert.equal(run(undefined, from, name), '+OK\r\n');
    seen.push([from.session.readonlyMode, from.session.asking]);
  }
  assert.deepEqual(seen, [
    [true, false],
    [true, true],
    [false, true],
  ]);
});

test('lease commands are forwarded with their arguments', () => {
  const fake = new FakeCluster();
  fake.leaseReply = { kind: 'ok', sequence: 42 };
  assert.equal(ask(fake, 'CLUSTERX', 'HOLD', '7', '300'), ':42\r\n');
  assert.equal(ask(fake, 'CLUSTERX', 'RELEASE', '7', '[::1]:7000'), ':42\r\n');
  fake.leaseReply = { kind: 'refused', error: 'ERR stale shard record: epoch 6' };
  assert.equal(ask(fake, 'clusterx', 'shard', '6', '1', 'x'), '-ERR stale shard record: epoch 6\r\n');
  assert.equal(ask(fake, 'CLUSTERX', 'UNHOLD', '7'), '-ERR stale shard record: epoch 6\r\n');
  assert.deepEqual(fake.asked, ['hold 7 300', 'release 7 {"host":"::1","port":7000}', 'shard 6 1 x', 'unhold 7']);
});

test('a lease answer that comes later puts the reply off; an unknown outcome closes the connection', async () => {
  const fake = new FakeCluster();
  fake.leaseReply = Promise.resolve({ kind: 'ok', sequence: 9 });
  const waiting = client();
  assert.equal(run(fake.port, waiting, 'CLUSTERX', 'RESIGN', '7'), '');
  assert.equal(waiting.later, undefined);
  await fake.leaseReply;
  assert.equal(waiting.later, ':9\r\n');
  fake.leaseReply = Promise.reject(new Error('disk'));
  assert.equal(run(fake.port, waiting, 'CLUSTERX', 'RESIGN', '7'), '');
  await fake.leaseReply.catch(() => undefined);
  assert.equal(waiting.later, 'closed');
});

test('what changes the topology runs alone; questions about it are held at the gate and answered by replicas', () => {
  const table = new CommandTable().add(clusterCommands(undefined));
  const flags = (...args: string[]): readonly string[] => {
    const request = Request.of(...args);
    return table.lookup(request)?.flagsOf?.(request) ?? [];
  };
  for (const sub of ['setnodeid', 'SETNODES', 'setslot']) assert.ok(flags('clusterx', sub).includes('exclusive'), sub);
  assert.ok(flags('cluster', 'reset').includes('exclusive'));
  for (const sub of ['nodes', 'SLOTS', 'shards', 'replicas', 'info']) {
    assert.ok(flags('cluster', sub).includes('readonly'), sub);
    assert.ok(flags('cluster', sub).includes('stale'), sub);
  }
  assert.ok(flags('clusterx', 'heartbeat').includes('loading'));
  assert.ok(!flags('clusterx', 'nodes').includes('readonly'));
  assert.deepEqual(flags('cluster'), flags('cluster', 'keyslot'));
  for (const sub of ['slots', 'nonsense']) assert.ok(flags('cluster', sub).includes('admin'));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '@holdfast/base';
import { VirtualTime } from '@holdfast/base/testing';
import { lapseLimitMs } from '@holdfast/fencing';
import { ReplyWriter } from '@holdfast/resp';
import { HeartbeatResponder, type NodeReport } from './heartbeat.ts';
import { LeaseKeeper, handoverLimitMs } from './lease-keeper.ts';
import { SharedLease } from './shared-lease.ts';

const nodeId = 'a'.repeat(40);
const otherId = 'b'.repeat(40);
const processId = 'p'.repeat(20);
const logId = 'c'.repeat(20);

class World {
  readonly time = new VirtualTime();
  readonly shared = new SharedLease();
  readonly seen: string[] = [];
  file: string | undefined;
  readonly saves: string[] = [];
  isMainLoopBusy = false;
  isDiskFull = false;
  keeper: LeaseKeeper;
  readonly responder: HeartbeatResponder;

  constructor(file?: string) {
    this.file = file;
    this.keeper = this.open(processId);
    this.responder = new HeartbeatResponder(
      {
        shared: this.shared,
        processId,
        stallLimitMs: 5000,
        nowMs: () => this.time.leaseMs(),
        renewed: () => this.keeper.recheckHeld(),
        sawEpoch: (epoch): void => {
          if (!this.isMainLoopBusy) this.keeper.sawEpoch(epoch);
        },
      },
      this.report(),
    );
    this.shared.publishBeat(this.time.leaseMs());
  }

  open(process: string): LeaseKeeper {
    const opened = LeaseKeeper.open({
      file: {
        path: 'fence.conf',
        load: () => this.file,
        save: (text) => {
          if (this.isDiskFull) throw new Error('ENOSPC: no space left on device, write');
          this.file = text;
          this.saves.push(text);
          this.seen.push('saved');
        },
      },
      shared: this.shared,
      clock: this.time,
      timers: this.time,
      logger: silentLogger,
      host: {
        roleChanging: () => void this.seen.push('changing'),
        roleChanged: (role) => void this.seen.push(role),
        isrChanged: () => void this.seen.push('isr'),
        workAdmitted: () => undefined,
        resumeHeld: () => void this.seen.push('resume'),
        lapsedTooLong: () => void this.seen.push('lapsed'),
        redirectClients: () => void this.seen.push('redirect'),
        reportChanged: () => undefined,
      },
      processId: process,
      logId,
      bootId: '3f2504e0-4f89-11d3-9a0c-0305e82c3301',
      mode: 'disabled',
    });
    if (typeof opened === 'string') throw new Error(opened);
    return opened;
  }

  report(): NodeReport {
    return {
      role: this.keeper.role === 'master' ? 'master' : 'slave',
      record: this.keeper.record,
      topologyVersion: 1,
      nodeId,
      health: 'ok',
      masterLinkStatus: 'up',
      isrRequest: '',
      replicationMode: 'sync',
    };
  }

  shard(epoch: number, master = nodeId, process = processId): string {
    const args = [String(epoch), '0', '1000', master, process, `${nodeId}:${logId}`];
    let said = 'nothing yet';
    this.keeper.acceptShard(
      args,
      (done) => done(),
      (answer) => (said = answer.kind === 'ok' ? 'OK' : answer.error),
    );
    return said;
  }

  /** A heartbeat with the given token; returns the token of its reply. */
  heartbeat(epoch: number, token: string): string {
    this.responder.update(this.report());
    this.shared.publishBeat(this.time.leaseMs());
    const reply = new ReplyWriter();
    this.responder.answerArguments([nodeId, '1000', String(epoch), ...(token === '' ? [] : [token])], reply);
    return /lease_token:(\S*)\r\n/.exec(reply.take().toString())?.[1] ?? '';
  }
}

function leasedMaster(): World {
  const world = new World();
  world.keeper.setTopologyRole(nodeId, 'master');
  assert.equal(world.shard(1), 'OK');
  world.heartbeat(1, world.heartbeat(1, ''));
  world.seen.length = 0;
  return world;
}

test('an unarmed node is what its topology says and needs no lease', () => {
  const world = new World();
  world.keeper.setTopologyRole(nodeId, 'master');
  assert.equal(world.keeper.role, 'master');
  assert.equal(world.keeper.admit('write', true), 'execute');
  world.keeper.setTopologyRole(nodeId, 'replica');
  assert.deepEqual(world.seen, ['changing', 'master', 'changing', 'replica']);
});

test('the record is on disk before the role is taken, and a master without a lease admits nothing', () => {
  const world = new World();
  world.keeper.setTopologyRole(nodeId, 'replica');
  world.seen.length = 0;
  world.shard(3);
  assert.deepEqual(world.seen, ['saved', 'changing', 'master']);
  assert.equal(world.keeper.admit('write', true), 'refuse-lapsed');
  assert.equal(world.keeper.admit('control', true), 'execute');
});

test('a lease counts from the token, not from the arrival of the heartbeat that echoes it', () => {
  const world = new World();
  world.keeper.setTopologyRole(nodeId, 'master');
  world.shard(1);
  const token = world.heartbeat(1, '');
  world.time.advance(900);
  world.heartbeat(1, token);
  assert.equal(world.keeper.admit('write', false), 'execute');
  world.time.advance(101);
  world.keeper.tickOpened();
  assert.equal(world.keeper.admit('write', false), 'hold');
});

test('a heartbeat that waited in a stopped process renews nothing', () => {
  const world = new World();
  world.keeper.setTopologyRole(nodeId, 'master');
  world.shard(1);
  const token = world.heartbeat(1, '');
  world.time.advance(3000);
  world.heartbeat(1, token);
  assert.equal(world.keeper.holdsLease(), false);
});

test('a tick admitted before the end of the lease is not committed and not released after it', () => {
  const world = leasedMaster();
  world.keeper.tickOpened();
  assert.equal(world.keeper.admit('write', false), 'execute');
  world.time.advance(1001);
  assert.equal(world.keeper.mayCommit(), 'hold');
  assert.equal(world.keeper.mayRelease(), 'hold');
  world.time.advance(lapseLimitMs);
  assert.equal(world.keeper.mayCommit(), 'drop');
  assert.equal(world.keeper.mayRelease(), 'drop');
});

test('a lapsed lease renewed in the same epoch lets the held go on', () => {
  const world = leasedMaster();
  world.time.advance(900);
  const token = world.heartbeat(1, '');
  world.time.advance(150);
  world.keeper.tickOpened();
  assert.equal(world.keeper.admit('write', false), 'hold');
  world.heartbeat(1, token);
  assert.deepEqual(world.seen, ['resume']);
  assert.equal(world.keeper.admit('write', false), 'execute');
});

test('a lapse that lasts closes clients once', () => {
  const world = leasedMaster();
  world.time.advance(1050);
  world.keeper.tickOpened();
  assert.equal(world.keeper.admit('write', false), 'hold');
  world.time.advance(lapseLimitMs + 50);
  assert.deepEqual(world.seen, ['lapsed']);
  assert.equal(world.keeper.admit('write', false), 'close');
});

test('a higher epoch for another master ends the role and voids the lease in one turn', () => {
  const world = leasedMaster();
  assert.equal(world.shard(2, otherId, 'q'.repeat(20)), 'OK');
  assert.deepEqual(world.seen, ['saved', 'changing', 'none']);
  assert.equal(world.keeper.holdsLease(), false);
  assert.match(world.shard(1), /^ERR stale shard record/);
  world.keeper.setTopologyRole(nodeId, 'replica');
  assert.equal(world.keeper.role, 'replica');
});

test('SETNODES alone makes nobody master on an armed node', () => {
  const world = leasedMaster();
  world.shard(2, otherId, 'q'.repeat(20));
  world.keeper.setTopologyRole(nodeId, 'master');
  assert.equal(world.keeper.role, 'none');
  assert.equal(world.keeper.admit('read', true), 'refuse-lapsed');
});

test('a restarted master is closed until a new epoch names its new process', () => {
  const before = leasedMaster();
  const world = new World(before.file);
  const restarted = world.open('r'.repeat(20));
  restarted.setTopologyRole(nodeId, 'master');
  assert.equal(restarted.role, 'none');
  assert.equal(restarted.admit('write', true), 'refuse-lapsed');
});

test('RESIGN settles what runs, then holds clients until they are redirected', () => {
  const world = leasedMaster();
  const answer = world.keeper.resign(1, () => {
    world.seen.push('settled');
    return 42;
  });
  assert.deepEqual(answer, { kind: 'ok', sequence: 42 });
  assert.deepEqual(world.seen, ['settled', 'saved']);
  world.keeper.tickOpened();
  assert.equal(world.keeper.admit('write', false), 'hold');
  world.heartbeat(1, world.heartbeat(1, ''));
  assert.equal(world.keeper.holdsLease(), false, 'a resigned epoch is never renewed');
  assert.equal(world.keeper.releaseResigned(1), true);
  assert.deepEqual(world.seen, ['settled', 'saved', 'redirect', 'changing', 'none']);
});

test('RESIGN without a RELEASE redirects by itself, and holds and redirects those who come back to the address', () => {
  const world = leasedMaster();
  world.keeper.resign(1, () => 1);
  const redirected = (): number => world.seen.filter((what) => what === 'redirect').length;
  world.time.advance(lapseLimitMs + 10);
  assert.equal(redirected(), 1);
  world.keeper.tickOpened();
  assert.equal(world.keeper.admit('write', true), 'hold');
  assert.equal(world.keeper.admit('read', true), 'hold');
  assert.equal(world.keeper.mayRelease(), 'drop', 'nothing of the resigned epoch is answered');
  world.time.advance(lapseLimitMs + 10);
  assert.equal(redirected(), 2);
  assert.equal(world.keeper.releaseResigned(1), true);
  assert.equal(redirected(), 3);
  assert.equal(world.keeper.releaseResigned(1), false);
});

test('after RELEASE a client that crossed the repoint is redirected at once, until the node has another role', () => {
  const world = leasedMaster();
  world.keeper.resign(1, () => 1);
  assert.equal(world.keeper.releaseResigned(2), false, 'another epoch is meant');
  assert.equal(world.keeper.releaseResigned(1), true);
  world.keeper.tickOpened();
  assert.equal(world.keeper.admit('write', true), 'redirect');
  world.shard(2, otherId, 'q'.repeat(20));
  assert.equal(world.keeper.role, 'none');
  assert.equal(world.keeper.admit('read', true), 'redirect');
  world.seen.length = 0;
  world.keeper.setTopologyRole(nodeId, 'replica');
  assert.deepEqual(world.seen, ['redirect', 'changing', 'replica']);
  assert.equal(world.keeper.admit('write', true), 'execute', 'routing answers it');
  assert.equal(world.keeper.mayRelease(), 'drop', 'a tick of the epoch before');
  world.keeper.tickOpened();
  assert.equal(world.keeper.mayRelease(), 'pass');
});

test('a new replica holds reads until its link flows; after a while without one it says so', () => {
  const world = leasedMaster();
  world.keeper.resign(1, () => 1);
  world.keeper.releaseResigned(1);
  world.shard(2, otherId, 'q'.repeat(20));
  world.keeper.setTopologyRole(nodeId, 'replica');
  world.keeper.tickOpened();
  assert.equal(world.keeper.admit('read', true), 'await-master');
  world.seen.length = 0;
  world.time.advance(50);
  assert.deepEqual(world.seen, []);
  world.keeper.noteAttached();
  assert.deepEqual(world.seen, ['resume']);
  assert.equal(world.keeper.admit('read', true), 'execute');
  world.shard(3, otherId, 'q'.repeat(20));
  world.keeper.tickOpened();
  assert.equal(world.keeper.admit('read', false), 'await-master', 'another epoch: it may be old again');
  world.seen.length = 0;
  world.time.advance(lapseLimitMs);
  assert.deepEqual(world.seen, ['resume'], 'held reads are answered');
  assert.equal(world.keeper.admit('read', false), 'master-down');
});

test('a switchover that never ends does not keep new clients in suspense', () => {
  const world = leasedMaster();
  world.keeper.resign(1, () => 1);
  world.time.advance(handoverLimitMs + lapseLimitMs + 10);
  world.keeper.tickOpened();
  assert.equal(world.keeper.admit('write', true), 'refuse-lapsed');
  assert.equal(world.keeper.releaseResigned(1), true);
  assert.equal(world.keeper.admit('write', true), 'redirect');
});

test('a resignation that cannot be written down is refused, and nothing has changed', () => {
  const world = leasedMaster();
  world.isDiskFull = true;
  const answer = world.keeper.resign(1, () => 7);
  assert.match(answer.kind === 'refused' ? answer.error : '', /^ERR .*fence\.conf: ENOSPC/);
  assert.equal(world.keeper.holdsLease(), true);
  assert.equal(world.keeper.admit('write', false), 'execute');
  world.isDiskFull = false;
  assert.deepEqual(
    world.keeper.resign(1, () => 7),
    { kind: 'ok', sequence: 7 },
  );
});

test('whoever sees a higher epoch has resigned its own, also when that cannot be written down', () => {
  const world = leasedMaster();
  world.isDiskFull = true;
  const token = world.heartbeat(2, '');
  assert.equal(world.keeper.holdsLease(), false);
  world.heartbeat(1, token);
  assert.equal(world.keeper.holdsLease(), false, 'nothing renews it');
  world.isDiskFull = false;
  const later = world.open('q'.repeat(20));
  later.setTopologyRole(nodeId, 'master');
  assert.notEqual(later.role, 'master', 'and the next process is no master of it either');
});

test('a resigned master that is promoted again serves', () => {
  const world = leasedMaster();
  world.keeper.resign(1, () => 1);
  world.keeper.releaseResigned(1);
  assert.equal(world.shard(2), 'OK');
  world.heartbeat(2, world.heartbeat(2, ''));
  world.keeper.tickOpened();
  assert.equal(world.keeper.admit('write', true), 'execute');
  assert.equal(world.keeper.mayRelease(), 'pass');
});

test('HOLD admits nothing for a while and UNHOLD or its end lets go on', () => {
  const world = leasedMaster();
  assert.deepEqual(
    world.keeper.hold(1, 200, () => 7),
    { kind: 'ok', sequence: 7 },
  );
  world.keeper.tickOpened();
  assert.equal(world.keeper.admit('write', false), 'hold');
  assert.equal(world.keeper.mayCommit(), 'pass', 'what was admitted is committed');
  world.time.advance(201);
  assert.deepEqual(world.seen, ['resume']);
  assert.equal(world.keeper.admit('write', false), 'execute');
  assert.equal(world.keeper.hold(5, 200, () => 7).kind, 'refused');
});

test('a torn fence.conf refuses the start with file and line', () => {
  const before = leasedMaster();
  const torn = (before.file ?? '').slice(0, 60);
  assert.throws(() => new World(torn), /fence\.conf: line \d+/);
});

test('a heartbeat judged by the report of an unarmed node leaves the word of an epoch alone', () => {
  const world = new World();
  world.keeper.setTopologyRole(nodeId, 'master');
  const before = world.report();
  world.shard(1);
  world.responder.update(before);
  world.responder.answerArguments([nodeId, '1000', '0'], new ReplyWriter());
  world.heartbeat(1, world.heartbeat(1, ''));
  assert.equal(world.keeper.holdsLease(), true);
});

test('whoever sees a higher epoch has resigned its own: nothing renews it, and it is on disk', () => {
  const world = leasedMaster();
  world.keeper.sawEpoch(1);
  assert.equal(world.keeper.holdsLease(), true, 'its own epoch is nothing new');
  world.keeper.sawEpoch(2);
  assert.equal(world.keeper.holdsLease(), false);
  assert.match(world.file ?? '', /^resigned 1$/m);
  world.heartbeat(1, world.heartbeat(1, ''));
  assert.equal(world.keeper.holdsLease(), false);
  world.keeper.tickOpened();
  assert.deepEqual([world.keeper.admit('read', false), world.keeper.mayCommit()], ['hold', 'drop']);
  assert.deepEqual(
    world.keeper.resign(1, () => 9),
    { kind: 'ok', sequence: 9 },
    'a switchover goes on',
  );
  assert.equal(world.keeper.releaseResigned(1), true);
});

test('a heartbeat that names a higher epoch ends the lease in the control thread, before the main loop hears of it', () => {
  const world = leasedMaster();
  world.heartbeat(2, '');
  assert.equal(world.keeper.holdsLease(), false);
  assert.match(world.file ?? '', /^resigned 1$/m);
});

test('clients of a lease that the control thread ended are held, not closed, until the main loop hears why', () => {
  const world = leasedMaster();
  world.isMainLoopBusy = true;
  world.heartbeat(2, '');
  world.keeper.tickOpened();
  assert.deepEqual([world.keeper.admit('write', false), world.keeper.mayCommit()], ['hold', 'hold']);
  world.keeper.sawEpoch(2);
  assert.equal(world.keeper.admit('write', false), 'hold');
  world.time.advance(lapseLimitMs + 50);
  assert.ok(world.seen.includes('redirect'));
});

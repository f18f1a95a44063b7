import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { test, type TestContext } from 'node:test';
import { silentLogger } from '@holdfast/base';
import { leaseClockMs } from '@holdfast/base/real';
import { masteredWord, unarmedRecord, unpackWord, type FenceRecord } from '@holdfast/fencing';
import { SharedLease } from '../lease/shared-lease.ts';
import type { NodeReport } from '../lease/heartbeat.ts';
import { ControlChannel } from './control-channel.ts';

const nodeId = 'n'.repeat(40);
const processId = 'p'.repeat(20);

function armedRecord(epoch: number): FenceRecord {
  const base = unarmedRecord({ logId: 'c'.repeat(20), bootId: 'boot', mode: 'strict' });
  return { ...base, armed: true, epoch, leaseMs: 1000, masterId: nodeId, processId, controllers: [] };
}

function report(record: FenceRecord): NodeReport {
  return {
    role: 'master',
    record,
    topologyVersion: 1,
    nodeId,
    health: 'ok',
    masterLinkStatus: 'up',
    isrRequest: '',
    replicationMode: 'sync',
  };
}

interface Started {
  readonly channel: ControlChannel;
  readonly shared: SharedLease;
  /** Sends inline commands and resolves to what came back once it matches. */
  ask(text: string, until: RegExp): Promise<string>;
}

async function start(t: TestContext, options: { password?: string; record?: FenceRecord } = {}): Promise<Started> {
  const shared = new SharedLease();
  const record = options.record ?? armedRecord(5);
  for (let found = shared.load(); !shared.swap(found, masteredWord(record.epoch)); found = shared.load());
  shared.publishBeat(leaseClockMs());
  shared.publishSequence(77, 3);
  const channel = await ControlChannel.start(
    {
      shared: shared.buffer,
      host: '127.0.0.1',
      port: 0,
      password: options.password ?? '',
      processId,
      stallLimitMs: 5000,
      report: report(record),
    },
    {
      logger: silentLogger,
      run: (args, _peer, reply) => reply(Buffer.from(`+ran ${Buffer.concat(args).toString()}\r\n`)),
      renewed: () => undefined,
      sawEpoch: () => undefined,
    },
  );
  assert.ok(channel instanceof ControlChannel, String(channel));
  const socket = connect(channel.port, '127.0.0.1');
  t.after(async () => {
    socket.destroy();
    await channel.stop();
  });
  const ask = async (text: string, until: RegExp): Promise<string> => {
    socket.write(text);
    let got = '';
    while (!until.test(got)) got += String((await once(socket, 'data'))[0]);
    return got;
  };
  return { channel, shared, ask };
}

test('the control thread answers heartbeats and renews the shared word while the main loop is busy', async (t) => {
  const { ask, shared } = await start(t);
  const first = await ask(`CLUSTERX HEARTBEAT ${nodeId} 1000 5\r\n`, /lease_token:.*\r\n/);
  assert.match(first, /role:master\r\nsequence:77\r\nlast_epoch:3\r\nepoch:5\r\n/);
  assert.equal(unpackWord(shared.load()).deadlineMs, 0, 'no token was echoed, nothing is granted');
  const token = /lease_token:(\S+)/.exec(first)?.[1] ?? '';
  await ask(`CLUSTERX HEARTBEAT ${nodeId} 1000 5 ${token}\r\n`, /lease_token:.*\r\n/);
  const word = unpackWord(shared.load());
  assert.equal(word.epoch, 5);
  assert.equal(word.deadlineMs, Number(token.split('-')[1]) + 1000, 'counted from the token');
});

test('a main loop that stands still gets no token and no renewal', async (t) => {
  const { ask, shared } = await start(t);
  const first = await ask(`CLUSTERX HEARTBEAT ${nodeId} 1000 5\r\n`, /lease_token:.*\r\n/);
  const token = /lease_token:(\S+)/.exec(first)?.[1] ?? '';
  shared.publishBeat(leaseClockMs() - 6000);
  const reply = await ask(`CLUSTERX HEARTBEAT ${nodeId} 1000 5 ${token}\r\n`, /lease_token:.*\r\n/);
  assert.match(reply, /lease_token:\r\n/);
  assert.equal(unpackWord(shared.load()).deadlineMs, 0);
});

test('everything else is run by the main loop, in order', async (t) => {
  const { ask } = await start(t);
  const got = await ask('CLUSTERX RESIGN 5\r\nPING\r\nCLUSTERX VERSION\r\n', /ran CLUSTERXVERSION\r\n/);
  assert.equal(got, '+ran CLUSTERXRESIGN5\r\n+PONG\r\n+ran CLUSTERXVERSION\r\n');
});

test('with a password nothing is answered before AUTH', async (t) => {
  const { ask } = await start(t, { password: 'secret' });
  const got = await ask(`CLUSTERX HEARTBEAT ${nodeId} 1000 5\r\nAUTH wrong\r\nAUTH secret\r\nPING\r\n`, /\+PONG\r\n/);
  assert.equal(got, '-NOAUTH Authentication required.\r\n-ERR Invalid password\r\n+OK\r\n+PONG\r\n');
});

test('a taken control port is told, not thrown', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const address = taken.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const outcome = await ControlChannel.start(
    {
      shared: new SharedLease().buffer,
      host: '127.0.0.1',
      port,
      password: '',
      processId,
      stallLimitMs: 5000,
      report: report(armedRecord(1)),
    },
    { logger: silentLogger, run: () => undefined, renewed: () => undefined, sawEpoch: () => undefined },
  );
  taken.close();
  assert.match(String(outcome), /EADDRINUSE/);
});

/** In real network namespaces, so only for root. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { OperationError, type Connector, type Transport } from '@holdfast/base';
import type { HostFaults } from '../cluster.ts';
import { hostFaults } from './host-faults.ts';
import { clearHosts, removeLeftovers } from './leftovers.ts';
import { addressOf, launchAt, makeNetwork, namespaceOf, type NetworkPlan } from './network.ts';
import { mountDisk, mountPoints, OwnDisks, unmountBelow } from './own-disks.ts';
import { formatRunName, newRunName, startTimeOf } from './run-name.ts';
import { findCommand, runCommand } from './system-command.ts';
import type { Endless } from './testing/endless.ts';

const skip =
  process.geteuid?.() !== 0
    ? 'network namespaces need root'
    : findCommand('ip') === undefined
      ? 'network namespaces need iproute2'
      : false;

/** Waits for a condition of the kernel or of other processes; a test that never gets there runs into its time limit. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await pause(5);
}

/** Answers with what it gets, and sends `pushed` to everybody when it reads a line. */
const echoServer = `
  const sockets = new Set();
  const server = require('node:net').createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket)).pipe(socket);
  });
  server.listen(7000, process.argv[1], () => console.log('listening'));
  process.stdin.on('data', () => { for (const socket of sockets) socket.write('pushed'); });
  process.stdin.on('end', () => process.exit());
`;

interface Rig {
  readonly plan: NetworkPlan;
  readonly faults: HostFaults;
  readonly server: ChildProcess;
  connector(place: string): Promise<Connector>;
}

/** Two hosts; the echo server is at `right`. */
async function startRig(t: TestContext): Promise<Rig> {
  const plan = { run: newRunName(), places: ['left', 'right'] };
  const started: ChildProcess[] = [];
  t.after(() => {
    for (const child of started) child.kill('SIGKILL');
    clearHosts(plan.run, undefined);
  });
  makeNetwork(plan);
  const faults = hostFaults(plan, new Map());
  const [file = '', ...args] = [...launchAt(plan, 'right'), process.execPath, '-e', echoServer];
  const server = spawn(file, [...args, addressOf(plan, 'right')], { stdio: ['pipe', 'pipe', 'inherit'] });
  started.push(server);
  await once(server.stdout, 'data');
  return { plan, faults, server, connector: (place) => faults.inside?.(place) ?? assert.fail() };
}

interface Line {
  readonly transport: Transport;
  readonly state: { text: string; isClosed: boolean };
}

async function open({ plan, connector }: Rig, place: string, timeoutMs = 5_000): Promise<Line> {
  const endpoint = { host: addressOf(plan, 'right'), port: 7000 };
  const transport = await (await connector(place)).connect(endpoint, { timeoutMs });
  const state = { text: '', isClosed: false };
  transport.listen({
    onData: (chunk) => void (state.text += Buffer.from(chunk).toString()),
    onClose: () => (state.isClosed = true),
  });
  return { transport, state };
}

/** True once the kernel at a place has sent something to port 7000 again, in vain, on a connection that still stands. */
function repeatsInVain({ plan }: Rig, place: string): boolean {
  const [file = '', ...args] = [...launchAt(plan, place), 'cat', '/proc/net/tcp'];
  const rows = runCommand(file, args).split('\n').slice(1);
  // Fields as in proc(5): the remote address, the state (01: established), and the unanswered repetitions.
  return rows
    .map((row) => row.trim().split(/\s+/))
    .some((fields) => fields[2]?.endsWith(':1B58') === true && fields[3] === '01' && Number(`0x${fields[6]}`) > 0);
}

describe('network namespaces', { skip, timeout: 60_000 }, () => {
  test('a cut link loses packets silently, in one direction, and what was sent arrives when it is healed', async (t) => {
    const rig = await startRig(t);
    const { transport, state } = await open(rig, 'left');
    transport.write(Buffer.from('before '));
    await until(() => state.text === 'before ');
    rig.faults.cutLink('left', 'right');
    transport.write(Buffer.from('during '));
    await until(() => repeatsInVain(rig, 'left'));
    assert.deepEqual(state, { text: 'before ', isClosed: false });
    // Neither refused nor unreachable: there is no answer at all.
    await assert.rejects(open(rig, 'left', 200), /no answer within 200 ms/);
    rig.server.stdin?.write('push\n');
    await until(() => state.text === 'before pushed');
    rig.faults.healLink('left', 'right');
    await until(() => state.text === 'before pushedduring ');
    assert.equal(state.isClosed, false);
    (await open(rig, 'left')).transport.destroy();
    transport.destroy();
  });

  test('an interface that is down stalls connections; those within the host go on, and cuts outlive it', async (t) => {
    const rig = await startRig(t);
    const across = await open(rig, 'left');
    rig.faults.setInterface('right', 'down');
    across.transport.write(Buffer.from('across'));
    const within = await open(rig, 'right');
    within.transport.write(Buffer.from('within'));
    await until(() => within.state.text === 'within');
    await until(() => repeatsInVain(rig, 'left'));
    assert.deepEqual(across.state, { text: '', isClosed: false });
    rig.faults.cutLink('right', 'left');
    rig.faults.setInterface('right', 'up');
    const neighbours = runCommand('ip', ['-n', namespaceOf(rig.plan, 'right'), 'neigh', 'show', 'nud', 'permanent']);
    assert.match(neighbours, new RegExp(`^${addressOf(rig.plan, 'left').replaceAll('.', '\\.')} `));
    assert.equal(across.state.text, '');
    rig.faults.healLink('right', 'left');
    await until(() => across.state.text === 'across');
    assert.equal(across.state.isClosed, false);
    for (const { transport } of [across, within]) transport.destroy();
  });

  test('a place that does not exist is refused by name', async (t) => {
    const { faults } = await startRig(t);
    assert.throws(() => faults.cutLink('left', 'centre'), /no host centre; there are left, right/);
    assert.throws(() => faults.cutLink('left', 'left'), RangeError);
    assert.throws(() => faults.setInterface('centre', 'down'), RangeError);
    await assert.rejects(faults.fillDisk('left'), /left has no disk of its own/);
  });
});

describe('own disks', { skip, timeout: 60_000 }, () => {
  test('a disk that is filled stays full, whatever becomes free on it, until it is freed', async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-disk-'));
    const mount = join(directory, 'disk');
    t.after(() => {
      unmountBelow(directory);
      rmSync(directory, { recursive: true });
    });
    mountDisk(mount, 4);
    const disks = new OwnDisks(new Map([['node-1', mount]]));
    const log = join(mount, 'log');
    writeFileSync(log, Buffer.alloc(1 << 20));
    await disks.fill('node-1');
    const isFull = (): boolean => {
      try {
        appendFileSync(log, 'x'.repeat(4096));
        return false;
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
        return true;
      }
    };
    assert(isFull());
    truncateSync(log, 0);
    await until(isFull);
    await disks.free('node-1');
    writeFileSync(log, Buffer.alloc(2 << 20));
  });
});

describe('runs that are ended', { skip, timeout: 60_000 }, () => {
  let directory: string;
  const formerDirectory = process.env['TMPDIR'];
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'holdfast-world-test-'));
    process.env['TMPDIR'] = directory;
  });
  after(() => {
    if (formerDirectory === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = formerDirectory;
    rmSync(directory, { recursive: true });
  });

  async function startEndless(
    t: TestContext,
    ...args: string[]
  ): Promise<{ readonly run: ChildProcess; readonly said: Endless }> {
    const file = fileURLToPath(new URL('./testing/endless.ts', import.meta.url));
    const run = spawn(process.execPath, [...process.execArgv, file, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    t.after(() => void run.kill('SIGKILL'));
    for await (const line of createInterface(run.stderr)) {
      if (!line.startsWith('{')) continue;
      run.stderr.resume();
      return { run, said: JSON.parse(line) as Endless };
    }
    return assert.fail('it ended without a word');
  }

  /** Names of everything there is of a run. */
  function left(run: ChildProcess, { inside, loose, directory: kept }: Endless): string[] {
    const namespaces = existsSync('/run/netns') ? readdirSync('/run/netns') : [];
    return [
      ...namespaces.filter((name) => name.startsWith(`holdfast-drill-${run.pid}-`)),
      ...[inside, loose].filter((pid) => startTimeOf(pid) !== undefined).map((pid) => `process ${pid}`),
      ...(existsSync(kept) ? [kept] : []),
      ...mountPoints().filter((point) => point.startsWith(kept)),
    ];
  }

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    test(`${signal} leaves nothing`, async (t) => {
      const { run, said } = await startEndless(t);
      assert.equal(left(run, said).length, 7, left(run, said).join(', '));
      run.kill(signal);
      const [status] = (await once(run, 'exit')) as [number | null];
      assert.equal(status, 3);
      assert.deepEqual(left(run, said), []);
    });
  }

  test('a second Ctrl-C does not wait for a task that does not end, and leaves nothing', async (t) => {
    const { run, said } = await startEndless(t, 'deaf');
    run.kill('SIGINT');
    const lines = createInterface(run.stderr ?? assert.fail());
    const [line] = (await once(lines, 'line')) as [string];
    assert.equal(line, 'SIGINT: ending the drill');
    run.kill('SIGINT');
    const [status] = (await once(run, 'exit')) as [number | null];
    assert.equal(status, 3);
    assert.deepEqual(left(run, said), []);
  });

  test('a process inside that is killed ends the run, which leaves nothing', async (t) => {
    const { run, said } = await startEndless(t);
    process.kill(said.inside, 'SIGKILL');
    const [status] = (await once(run, 'exit')) as [number | null];
    assert.equal(status, 3);
    assert.deepEqual(left(run, said), []);
  });

  test('a run that is killed takes its process inside with it, and the next run removes the rest', async (t) => {
    const { run, said } = await startEndless(t);
    run.kill('SIGKILL');
    await once(run, 'exit');
    await until(() => startTimeOf(said.inside) === undefined);
    assert(left(run, said).length > 0);
    const beside = { run: newRunName(), places: ['left'] };
    t.after(() => clearHosts(beside.run, undefined));
    makeNetwork(beside);
    const { removed, failures } = removeLeftovers();
    assert.deepEqual(failures, []);
    assert(
      removed.some((name) => name.startsWith(`holdfast-drill-${run.pid}-`)),
      removed.join(', '),
    );
    assert(!removed.includes(formatRunName(beside.run)));
    assert.deepEqual(left(run, said), []);
    assert(existsSync(`/run/netns/${namespaceOf(beside, 'left')}`));
  });
});

test('a command that fails says what it was and why', () => {
  assert.throws(
    () => runCommand('ls', ['/nowhere at all']),
    (error) => error instanceof OperationError && /^ls \/nowhere at all: .*No such file/.test(error.message),
  );
});

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { FatalError, randomBelow } from '@holdfast/base';
import { realRandom } from '@holdfast/base/real';
import { defaultSettings, type LayoutSettings } from './layout.ts';
import { LocalCluster } from './local-cluster.ts';
import { isFree, onFreePorts } from './ports.ts';

const standIn = fileURLToPath(new URL('./testing/stand-in.ts', import.meta.url));
const program: [string, ...string[]] = [process.execPath, '--disable-warning=ExperimentalWarning', standIn];

interface Rig {
  readonly directory: string;
  readonly asked: LayoutSettings;
  readonly said: string[];
  start(asked?: Partial<LayoutSettings>): Promise<LocalCluster>;
}

async function startRig(t: TestContext, settings: Partial<LayoutSettings> = { shards: 1 }): Promise<Rig> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-up-'));
  const asked = await onFreePorts({ ...defaultSettings, ...settings }, (limit) => randomBelow(realRandom, limit));
  const said: string[] = [];
  const started: LocalCluster[] = [];
  t.after(async () => {
    for (const cluster of started) await cluster.stop();
    rmSync(directory, { recursive: true });
  });
  return {
    directory,
    asked,
    said,
    async start(explicit = asked): Promise<LocalCluster> {
      const cluster = await LocalCluster.start({ directory, asked: explicit, say: (line) => said.push(line), program });
      started.push(cluster);
      return cluster;
    },
  };
}

/** A process that ended and that nobody has asked about yet (a zombie) is not alive. */
function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !stat.slice(stat.lastIndexOf(')')).startsWith(') Z');
  } catch {
    return false;
  }
}

/** Waits for a condition of other processes; a test that never gets there runs into its time limit. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await pause(5);
}

/** What was said; a busy machine also has it say what it waits for. */
function ended({ said }: Rig): string[] {
  return said.filter((line) => !line.startsWith('waiting: '));
}

function fatal(status: number, pattern: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert(error instanceof FatalError, String(error));
    assert.equal(error.exitStatus, status);
    assert.match(error.message, pattern);
    return true;
  };
}

test('a cluster starts every process, stops them in order, and starts again on the same addresses', async (t) => {
  const rig = await startRig(t, { shards: 2 });
  const cluster = await rig.start();
  assert.deepEqual([...cluster.pids().keys()].sort(), ['controller', 'lb', 'node-1', 'node-2', 'node-3', 'node-4']);
  const pids = [...cluster.pids().values()];
  const before = (await cluster.status()).shards;
  assert.deepEqual(before[1]?.nodes[0]?.addr, `127.0.0.1:${rig.asked.nodePort + 2}`);
  await cluster.stop();
  assert(!pids.some(isAlive));
  assert.deepEqual(ended(rig).slice(0, 2), ['controller ended', 'lb ended']);
  assert.deepEqual(ended(rig).slice(2).sort(), ['node-1 ended', 'node-2 ended', 'node-3 ended', 'node-4 ended']);
  const again = await rig.start({});
  assert.deepEqual((await again.status()).shards, before);
  await assert.rejects(rig.start({}), fatal(3, /is in use by another cluster that runs/));
});

test('a process that dies is said and started again; one that is stopped for good is not', async (t) => {
  const rig = await startRig(t);
  const cluster = await rig.start();
  const pid = cluster.pids().get('node-2') ?? assert.fail();
  process.kill(pid, 'SIGKILL');
  await until(() => ![undefined, pid].includes(cluster.pids().get('node-2')));
  assert.match(
    ended(rig)[0] ?? '',
    new RegExp(`^node-2 \\(pid ${pid}\\) was ended by SIGKILL; starting it again in 200 ms`),
  );
  await until(() => ended(rig).length > 1);
  assert.match(ended(rig)[1] ?? '', /^node-2 started again \(pid \d+\)$/);
  await until(async () => !(await isFree(rig.asked.nodePort + 1)));
  await cluster.stop();
  assert(rig.said.includes('node-2 ended'));
  assert.equal(cluster.pids().size, 0);
});

test('a process that cannot start ends the start with one line and leaves nothing running', async (t) => {
  const rig = await startRig(t);
  writeFileSync(join(rig.directory, 'misbehave'), 'die node-2');
  await assert.rejects(
    rig.start(),
    fatal(3, /^node-2 ended with status 7 while starting: the reason \(log: .*logs\/node-2\.log\)$/),
  );
  for (const port of [rig.asked.nodePort, rig.asked.lbControlPort, rig.asked.apiPort]) assert(await isFree(port));
  rmSync(join(rig.directory, 'misbehave'));
  await rig.start({});
});

test('a port that is taken is named with what it is for', async (t) => {
  const rig = await startRig(t);
  const blocker = createServer().listen(rig.asked.port, '127.0.0.1');
  await once(blocker, 'listening');
  await assert.rejects(
    rig.start(),
    fatal(
      3,
      new RegExp(
        `^port ${rig.asked.port} \\(LB address of shard 0's master\\) is taken by another process; stop it or choose --port$`,
      ),
    ),
  );
  blocker.close();
});

test('a start that is interrupted stops what it started', async (t) => {
  const rig = await startRig(t);
  writeFileSync(join(rig.directory, 'misbehave'), 'mute node-2');
  const controller = new AbortController();
  const starting = LocalCluster.start({
    directory: rig.directory,
    asked: rig.asked,
    say: (line) => rig.said.push(line),
    signal: controller.signal,
    program,
  });
  const interrupted = assert.rejects(starting, fatal(3, /^interrupted while starting$/));
  await until(async () => !(await isFree(rig.asked.nodePort)));
  controller.abort();
  await interrupted;
  assert(await isFree(rig.asked.nodePort));
});

test('a process that is stopped or deaf to SIGTERM is killed', async (t) => {
  const rig = await startRig(t);
  writeFileSync(join(rig.directory, 'misbehave'), 'ignore-term controller');
  const cluster = await rig.start();
  process.kill(cluster.pids().get('lb') ?? assert.fail(), 'SIGSTOP');
  const pids = [...cluster.pids().values()];
  await cluster.stop();
  assert(!pids.some(isAlive));
  assert.deepEqual(ended(rig).slice(0, 2), [
    'controller did not end within 3000 ms and was killed',
    'lb did not end within 2000 ms and was killed',
  ]);
});

const runner = `
  const { LocalCluster } = await import(process.argv[1]);
  const { directory, asked, program } = JSON.parse(process.argv[2]);
  const cluster = await LocalCluster.start({ directory, asked, program, say: () => undefined });
  process.stdout.write(JSON.stringify([...cluster.pids().values()]) + '\\n');
`;

test('when the parent is killed with -9 its children end, a stopped one too', async (t) => {
  const rig = await startRig(t);
  const module = new URL('./local-cluster.ts', import.meta.url).href;
  const { directory, asked } = rig;
  const argument = JSON.stringify({ directory, asked, program });
  const parent = spawn(process.execPath, ['--input-type=module', '-e', runner, module, argument], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface(parent.stdout);
  const [line] = (await once(lines, 'line')) as [string];
  const pids = JSON.parse(line) as number[];
  assert.equal(pids.length, 4);
  assert(pids.every(isAlive));
  process.kill(pids[1] ?? assert.fail(), 'SIGSTOP');
  parent.kill('SIGKILL');
  await once(parent, 'exit');
  await until(() => !pids.some(isAlive));
  await rig.start({});
  assert.match(readFileSync(join(directory, 'up.json'), 'utf8'), new RegExp(`"port": ${asked.port}`));
});

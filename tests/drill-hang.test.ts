/**
 * `bin/holdfast drill hang` as an operator runs it: real processes, its exit status and its JSON. Root has it in network
 * namespaces, everybody else on loopback.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { decodeHistory } from '@holdfast/history';

const network = process.geteuid?.() === 0 ? 'namespaces' : 'loopback';
const binary = join(import.meta.dirname, '..', 'bin', 'holdfast');

interface Report {
  readonly version: number;
  readonly drill: string;
  readonly fences: readonly string[];
  readonly seed: number;
  readonly violations: readonly {
    readonly kind: string;
    readonly message: string;
    readonly operations: readonly { readonly op: string }[];
  }[];
  readonly figures: { readonly parked: { readonly parked: number; readonly told: number; readonly cut: number } };
  readonly acknowledgedWritesLost: number;
  readonly staleReads: number;
  readonly msWithoutWrites: number;
  readonly timeline: readonly { readonly event: string; readonly sinceStopMs: number }[];
  readonly unjudgedKeys: readonly string[];
}

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

describe('drill hang', { timeout: 180_000 }, () => {
  /** Stands in for the directory of temporary files, so that a test sees what a drill leaves behind. */
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'holdfast-drill-test-'));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  async function drill(
    args: readonly string[],
    onLine: (line: string, end: () => void) => void = () => undefined,
  ): Promise<Ended> {
    const env = { ...process.env, TMPDIR: directory };
    const child = spawn(binary, ['drill', 'hang', '--network', network, ...args], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      onLine(stderr, () => void child.kill('SIGINT'));
    });
    const [status] = (await once(child, 'close')) as [number | null];
    return { status, stdout, stderr };
  }

  test('all fences on: exit 0, nothing violated, the whole time line, a history that can be read', async () => {
    const file = join(directory, 'history.jsonl');
    const { status, stdout, stderr } = await drill(['--seconds', '8', '--output', 'json', '--history', file]);
    assert.notEqual(stdout, '', stderr);
    const report = JSON.parse(stdout) as Report;
    assert.deepEqual(report.violations.map(({ message }) => message).slice(0, 5), [], stderr);
    assert.equal(status, 0, stderr);
    assert.deepEqual(
      [report.version, report.drill, report.fences, report.acknowledgedWritesLost, report.staleReads],
      [1, 'hang', ['lb', 'lease', 'sync'], 0, 0],
    );
    assert.deepEqual(report.unjudgedKeys, []);
    const events = report.timeline.map(({ event }) => event);
    for (const event of [
      'stopped',
      'lease ended',
      'promoted',
      'lb moved',
      'first write',
      'resumed',
      'old master demoted',
    ])
      assert.ok(events.includes(event), `${event} in ${events.join(', ')}`);
    const history = decodeHistory(readFileSync(file, 'utf8'));
    assert.equal(history.header.seed, report.seed);
    assert.ok(history.operations.length > 1000, `${history.operations.length} operations`);
    const acknowledged = history.operations.filter(({ outcome }) => outcome === 'ok');
    for (const op of ['push', 'pop', 'list', 'add', 'entries', 'deliver', 'increment', 'count'])
      assert.ok(acknowledged.filter((operation) => operation.op === op).length > 0, `clients use ${op}`);
    assert.ok(
      acknowledged.some((operation) => operation.op === 'write' && operation.also !== undefined),
      'clients use transactions',
    );
    // Trap 10: what waited at the master when it was stopped has ended, and nothing of it ran when it woke up.
    const { parked, told, cut } = report.figures.parked;
    assert.deepEqual([parked, told + cut], [5, 5]);
  });

  test('no fences: exit 1, the old master acknowledges what lay in its buffers and it is lost', async () => {
    const { status, stdout, stderr } = await drill(['--seconds', '8', '--output', 'json', '--fences', 'none']);
    assert.notEqual(stdout, '', stderr);
    const report = JSON.parse(stdout) as Report;
    const kinds = new Set(report.violations.map(({ kind }) => kind));
    assert.ok(kinds.has('acknowledged-after-fence'), [...kinds].join(', '));
    assert.ok(kinds.has('acknowledged-write-lost'), [...kinds].join(', '));
    assert.ok(report.acknowledgedWritesLost > 0);
    const lostPush = report.violations.find(
      ({ kind, operations }) => kind === 'acknowledged-write-lost' && operations[0]?.op === 'push',
    );
    assert.ok(lostPush, 'elements of lists are lost too');
    assert.equal(status, 1);
  });

  test('Ctrl-C under load: exit 3, and neither processes nor directories stay', async () => {
    let interrupted = false;
    const { status, stderr } = await drill(['--seconds', '60'], (text, end) => {
      if (interrupted || !/^[0-9.]+ s: /m.test(text)) return;
      interrupted = true; // A second one would end the drill without its clearing up.
      end();
    });
    assert.equal(status, 3, stderr);
    assert.match(stderr, /SIGINT/);
    const left = readdirSync(directory).filter((name) => name !== 'history.jsonl');
    assert.deepEqual(left, []);
  });

  test('wrong arguments: exit 2', async () => {
    const { status, stderr } = await drill(['--fences', 'moat']);
    assert.equal(status, 2);
    assert.match(stderr, /moat/);
  });
});

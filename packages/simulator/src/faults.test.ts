import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { faults, type Fault } from './faults.ts';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));

/** A process of its own, since a planted fault stays in what was loaded. */
function lastLine({ name, bound }: Fault): Promise<string> {
  const args = ['--disable-warning=ExperimentalWarning', main, '--mutate', name, '--seeds', String(bound), '--quiet'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += String(chunk)));
  child.stderr.on('data', (chunk: Buffer) => (text += String(chunk)));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', () => resolve(text.trimEnd().split('\n').at(-1) ?? ''));
  });
}

test('every planted fault is found within its bound', { concurrency: 2 }, async (t) => {
  await Promise.all(
    faults.map((fault) =>
      t.test(`${fault.name}, within ${fault.bound} seeds`, async () => {
        const line = await lastLine(fault);
        const promise = /^seed [0-9]+: violation ([A-Z][0-9]): /.exec(line)?.[1];
        assert.ok(
          promise !== undefined && fault.expects.includes(promise),
          `${fault.expects.join(' or ')} expected: ${line}`,
        );
      }),
    ),
  );
});

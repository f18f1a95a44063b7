import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { seededRandom, silentLogger } from '@holdfast/base';
import { VirtualTime } from '@holdfast/base/testing';
import { openTestEngine } from '@holdfast/engine/testing';
import { Scripting } from './scripting.ts';

/** Scripting on a database of its own; nothing is run in it. */
async function openScripting(t: TestContext, memoryBytesMax: number): Promise<Scripting> {
  const world = await openTestEngine();
  t.after(() => world[Symbol.asyncDispose]());
  const scripting = new Scripting({
    engine: world.engine,
    clock: new VirtualTime(),
    logger: silentLogger,
    random: seededRandom(1),
    version: '7.2.4',
    commands: () => assert.fail('nothing is run'),
    isCluster: false,
    resp3Enabled: () => true,
    busyMs: () => 5000,
    memoryBytesMax: () => memoryBytesMax,
    knowsCommand: () => true,
    slotOfKeys: () => undefined,
  });
  t.after(() => scripting.runner.close());
  return scripting;
}

function load(scripting: Scripting, body: string): string {
  const loaded = scripting.load(Buffer.from(body));
  assert.ok(typeof loaded !== 'string', String(loaded));
  return loaded.sha;
}

test('scripts that differ by a number never use up the memory, and all stay known', async (t) => {
  const scripting = await openScripting(t, 1 << 20);
  const first = load(scripting, 'return 0');
  for (let i = 1; i <= 11_000; i++)
    load(scripting, `local value = ${i} return {value, KEYS[1], "some more text ${i}"}`);
  assert.ok(scripting.runner.generation > 1, 'what was compiled was forgotten');
  assert.equal(scripting.cachedScripts, 10_000);
  assert.ok(scripting.exists(first), 'found in the database');
});

test('scripts so large that few fit are compiled all the same, one after another', async (t) => {
  const scripting = await openScripting(t, 1 << 20);
  for (let i = 0; i < 20; i++) load(scripting, `return {${`"${i}", `.repeat(10_000)}}`);
  assert.match(String(scripting.load(Buffer.from(`return {${'1, '.repeat(200_000)}}`))), /not enough memory$/);
  load(scripting, 'return 0');
});

/** An engine in a directory of its own, for tests; the directory goes when it is disposed of. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom } from '@holdfast/base';
import { dataTypes, type DataTypes } from '../data-types.ts';
import { Engine, type EngineOptions } from '../engine.ts';

export interface TestEngine extends AsyncDisposable {
  readonly engine: Engine;
  readonly types: DataTypes;
  /** Parent of the database directory. */
  readonly dir: string;
}

/** Opens an engine, by default with an empty database, no slots in keys and a clock that stands still. */
export async function openTestEngine(
  options: Partial<EngineOptions> = {},
  dir: string | undefined = undefined,
): Promise<TestEngine> {
  const place = dir ?? (await mkdtemp(join(tmpdir(), 'holdfast-engine-')));
  const engine = await Engine.open({
    path: join(place, 'db'),
    slotPrefixed: false,
    clock: { wallMs: () => 1_700_000_000_000 },
    random: seededRandom(1),
    ...options,
  });
  return {
    engine,
    types: dataTypes(engine),
    dir: place,
    async [Symbol.asyncDispose](): Promise<void> {
      await engine.close();
      await rm(place, { recursive: true, force: true });
    },
  };
}

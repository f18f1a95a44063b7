/**
 * Loaded into a node before it starts (`--import`): of lookups that must not wait for the disk, so many find their record on
 * disk only wherever it is. Each command is then taken back and run again at any of its lookups, as happens to few when the
 * data is small.
 */
import { seededRandom } from '@holdfast/base';
import { Engine } from '@holdfast/engine';
import type { Database } from '@holdfast/rocksdb';

const shareOf2to32 = 0.3 * 2 ** 32;
const onDisk = -2;

const random = seededRandom(Number(process.env['HOLDFAST_SEED'] ?? 1));
const reopen = Object.getOwnPropertyDescriptor(Engine.prototype, 'reopen')?.value as Engine['reopen'];

Engine.prototype.reopen = async function (this: Engine, walStopAt?: number): Promise<void> {
  await reopen.call(this, walStopAt);
  const { database } = this;
  for (const how of ['getCached', 'getWithoutWaiting'] as const) {
    const lookUp = database[how].bind(database);
    const forgetful: Database['getCached'] = (family, key, into) =>
      random.u32() < shareOf2to32 ? onDisk : lookUp(family, key, into);
    Object.defineProperty(database, how, { value: forgetful });
  }
};

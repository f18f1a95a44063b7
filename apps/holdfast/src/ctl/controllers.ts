/** `ctl controllers`. */
import Table from 'cli-table3';
import { jsonText, type CtlContext } from './context.ts';

/** @param removed id of a controller to be struck from the list first. */
export async function showControllers(
  { client, output, write, note }: CtlContext,
  removed: string | undefined,
): Promise<void> {
  if (removed !== undefined) {
    await client.removeController(removed);
    note(`controller ${removed} is removed; it counts until each shard's next epoch`);
  }
  const controllers = await client.controllers();
  if (output === 'json') {
    write(jsonText('controllers', { controllers }));
    return;
  }
  const table = new Table({ head: ['id', 'address', 'state'], style: { head: [], border: [], compact: true } });
  for (const { id, address, leader, alive } of controllers)
    table.push([id, address, leader ? 'leader' : alive ? 'follower' : 'DOWN']);
  write(table.toString());
}

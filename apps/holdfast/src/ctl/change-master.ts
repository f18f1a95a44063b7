/** `ctl switchover` and `ctl failover`. */
import { jsonText, type CtlContext } from './context.ts';

/** Resolves when the controller has done it; the controller's refusal is thrown with its reason. */
export async function changeMaster(
  { client, output, write, note }: CtlContext,
  kind: 'switchover' | 'failover',
  shard: number,
  preferred: string | undefined,
): Promise<void> {
  const startedAtMs = performance.now();
  const done = await client[kind](shard, preferred);
  if (output === 'json') {
    write(jsonText(kind, { shard, ...done }));
    return;
  }
  const addresses = await client.status().then(
    ({ shards }) => shards.find(({ index }) => index === shard)?.nodes ?? [],
    () => [],
  );
  const address = addresses.find(({ id }) => id === done.new_master_id)?.addr ?? done.new_master_id;
  const tookMs = 'duration_ms' in done ? Number(done.duration_ms) : performance.now() - startedAtMs;
  write(`shard ${shard}: ${kind} done in ${Math.round(tookMs)} ms, ${address} is master`);
  note('next: bin/holdfast ctl events');
}

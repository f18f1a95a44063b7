/** `ctl switchover` and `ctl failover`. */
import { jsonText, type CtlContext } from './context.ts';

export interface ChangeOfMaster {
  readonly kind: 'switchover' | 'failover';
  readonly shard: number;
  readonly preferred: string | undefined;
  /** Failover: a node outside the in-sync replicas will do. */
  readonly acceptDataLoss?: boolean;
}

/** Resolves when the controller has done it; the controller's refusal is thrown with its reason. */
export async function changeMaster({ client, output, write, note }: CtlContext, change: ChangeOfMaster): Promise<void> {
  const { kind, shard, preferred, acceptDataLoss = false } = change;
  const done =
    kind === 'failover'
      ? await client.failover(shard, preferred, acceptDataLoss)
      : await client.switchover(shard, preferred);
  if (output === 'json') {
    write(jsonText(kind, { shard, ...done }));
    return;
  }
  const addresses = await client.status().then(
    ({ shards }) => shards.find(({ index }) => index === shard)?.nodes ?? [],
    () => [],
  );
  const address = addresses.find(({ id }) => id === done.new_master_id)?.addr ?? done.new_master_id;
  write(`shard ${shard}: ${kind} done in ${Math.round(done.duration_ms)} ms, ${address} is master`);
  note('next: bin/holdfast ctl events');
}

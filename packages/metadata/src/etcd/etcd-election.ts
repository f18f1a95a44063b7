/**
 * Who leads, decided by etcd.
 *
 * Every candidate puts one key under the election's prefix, attached to a lease of its own. The key that was created
 * first leads; the others wait for the one just before them to go. So candidates lead in the order they came, and the end
 * of one wakes one.
 *
 * The winner then writes the leader key, attached to the same lease, in a transaction that requires its candidate key.
 * The revision of that write is the term: it is higher than everything an earlier leader wrote, because an earlier
 * leader's keys went away together, before. Every transaction of a leader compares the leader key's revision with its
 * term, so etcd itself refuses a leader that was deposed while it was paused, whatever that process believes.
 *
 * Source: the election of etcd's concurrency package has the same first half; the leader key is ours, so that leadership
 * is an ordinary key that can be read, watched and guarded like in the other stores.
 */
import { EtcdCalls } from './etcd-calls.ts';
import { EtcdLease } from './etcd-lease.ts';
import { EtcdFailure, type EtcdKeyValue } from './etcd-rpc.ts';
import { EtcdWatch } from './etcd-watch.ts';

export interface EtcdElectionKeys {
  /** Candidates' keys begin with it. */
  readonly candidatesPrefix: string;
  /** Whole, as etcd has it. */
  readonly leader: string;
}

export interface EtcdVictory {
  readonly term: number;
  /** The leadership ends with it. */
  readonly lease: EtcdLease;
}

export interface EtcdCampaignOptions {
  readonly calls: EtcdCalls;
  readonly keys: EtcdElectionKeys;
  readonly candidate: string;
  readonly leaseTtlMs: number;
  /** Ends the campaign. */
  readonly abandoned: AbortSignal;
}

const pauseMs = 200;

/**
 * Waits until the candidate leads, through outages and lost leases.
 * @returns undefined when it was abandoned.
 */
export async function campaign(options: EtcdCampaignOptions): Promise<EtcdVictory | undefined> {
  const { calls, abandoned } = options;
  while (!abandoned.aborted) {
    let lease: EtcdLease | undefined;
    try {
      lease = await EtcdLease.grant(calls, options.leaseTtlMs);
      const term = await stand(options, lease);
      if (term !== undefined && lease.alive && !abandoned.aborted) return { term, lease };
    } catch (error) {
      if (!(error instanceof EtcdFailure)) throw error;
      calls.logger.info('standing for the leadership was interrupted; trying again', { reason: error.message });
    }
    await lease?.revoke();
    if (!abandoned.aborted) await calls.pause(pauseMs);
  }
  return undefined;
}

/** One candidacy with one lease: the term, or undefined when the lease ended or the campaign was abandoned first. */
async function stand(options: EtcdCampaignOptions, lease: EtcdLease): Promise<number | undefined> {
  const { calls, keys, candidate, abandoned } = options;
  const own = `${keys.candidatesPrefix}${lease.id}`;
  await attach(calls, { key: own, value: JSON.stringify(candidate), lease });
  while (lease.alive && !abandoned.aborted) {
    const { reply } = await calls.run('range', { key: keys.candidatesPrefix, prefix: true }, { repeatable: true });
    const mine = reply.entries.find(({ key }) => key === own);
    if (mine === undefined) return undefined;
    const before = reply.entries.filter(({ createRevision }) => createRevision < mine.createRevision);
    const previous = before.reduce<EtcdKeyValue | undefined>(
      (latest, each) => (latest === undefined || each.createRevision > latest.createRevision ? each : latest),
      undefined,
    );
    if (previous === undefined) return await takeLead(options, lease, mine);
    await gone(calls, abandoned, { key: previous.key, afterRevision: reply.revision, lease });
  }
  return undefined;
}

/**
 * Puts a key that hangs on a lease, once: repeating it after an unknown outcome changes nothing when it was carried out.
 * @returns a revision at which it stood.
 */
async function attach(
  calls: EtcdCalls,
  { key, value, lease }: { readonly key: string; readonly value: string; readonly lease: EtcdLease },
): Promise<number> {
  const put = { kind: 'put', key, value, lease: lease.id } as const;
  const request = { compares: [{ key, target: 'lease', not: lease.id } as const], success: [put], failure: [] };
  return (await calls.run('txn', request, { repeatable: true })).reply.revision;
}

/** Writes the leader key. The comparison with the own lease makes a repetition harmless, as in `attach`. */
async function takeLead(
  { calls, keys, candidate }: EtcdCampaignOptions,
  lease: EtcdLease,
  own: EtcdKeyValue,
): Promise<number | undefined> {
  const { reply } = await calls.run(
    'txn',
    {
      compares: [
        { key: keys.leader, target: 'lease', not: lease.id },
        { key: own.key, target: 'create', revision: own.createRevision },
      ],
      // Refused as a whole when the lease has ended.
      success: [{ kind: 'put', key: keys.leader, value: JSON.stringify(candidate), lease: lease.id }],
      failure: [
        { kind: 'range', key: own.key },
        { kind: 'range', key: keys.leader },
      ],
    },
    { repeatable: true },
  );
  if (reply.succeeded) return reply.revision;
  const [mine, leader] = reply.ranges.map(([entry]) => entry);
  return mine !== undefined && leader?.lease === lease.id ? leader.modRevision : undefined;
}

/** Waits until the key is removed, the lease ends or the campaign is abandoned. */
function gone(
  calls: EtcdCalls,
  abandoned: AbortSignal,
  { key, afterRevision, lease }: { readonly key: string; readonly afterRevision: number; readonly lease: EtcdLease },
): Promise<void> {
  return new Promise((resolve) => {
    const watch = new EtcdWatch({
      calls,
      prefix: key,
      afterRevision,
      strip: 0,
      listener: (change) => {
        if (change.key === key && change.entry === undefined) done();
      },
    });
    const done = (): void => {
      watch.cancel();
      abandoned.removeEventListener('abort', done);
      lease.lost.removeEventListener('abort', done);
      resolve();
    };
    if (abandoned.aborted || !lease.alive) return done();
    abandoned.addEventListener('abort', done);
    lease.lost.addEventListener('abort', done);
  });
}

/**
 * Keeps a key in the store for as long as this process lives and `withdrawn` is not aborted: when the lease was lost in
 * an outage, or the key removed, it comes back with a new lease. Calls `stands` each time it was put.
 */
export async function keepPresent(options: {
  readonly calls: EtcdCalls;
  readonly key: string;
  readonly value: string;
  readonly leaseTtlMs: number;
  readonly withdrawn: AbortSignal;
  readonly stands: () => void;
}): Promise<void> {
  const { calls, key, value, withdrawn } = options;
  while (!withdrawn.aborted) {
    let lease: EtcdLease | undefined;
    try {
      lease = await EtcdLease.grant(calls, options.leaseTtlMs);
      const afterRevision = await attach(calls, { key, value, lease });
      options.stands();
      await gone(calls, withdrawn, { key, afterRevision, lease });
    } catch (error) {
      if (!(error instanceof EtcdFailure)) throw error;
      calls.logger.info('announcing this process was interrupted; trying again', { key, reason: error.message });
    }
    await lease?.revoke();
    if (!withdrawn.aborted) await calls.pause(pauseMs);
  }
}

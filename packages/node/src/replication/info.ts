/** What INFO and ROLE say of replication, in Kvrocks' fields and order (2.10). */
import type { FollowerFacts, LinkFacts } from '@holdfast/replication';
import type { InSyncReport } from '../lease/in-sync-keeper.ts';

export type LinkStatus = LinkFacts;

export interface ReplicationInfo {
  readonly sequence: number;
  /** Undefined on a master. */
  readonly link: LinkStatus | undefined;
  readonly followers: readonly FollowerFacts[];
}

export function replicationInfo(
  sequence: number,
  link: LinkStatus | undefined,
  followers: readonly FollowerFacts[],
): ReplicationInfo {
  return { sequence, link, followers };
}

/** What fencing adds to the section on an armed node. */
export interface FenceInfo {
  readonly epoch: number;
  /** Of the last entry of the log. */
  readonly lastEpoch: number;
  readonly mode: 'sync' | 'async';
  readonly logId: string;
  /** Undefined unless the node is the master. */
  readonly inSync: InSyncReport | undefined;
  readonly sequence: number;
  /** Bytes of replies that wait for their release. */
  readonly heldBytes: number;
}

export function fenceInfoLines({ epoch, lastEpoch, mode, logId, inSync, sequence, heldBytes }: FenceInfo): string[] {
  const lines = [`epoch:${epoch}`, `last_epoch:${lastEpoch}`, `replication_mode:${mode}`, `log_id:${logId}`];
  if (inSync === undefined) return lines;
  const { isr, isrVersion, waitedFor, releasedThrough } = inSync;
  return [
    ...lines,
    `isr:${isr.map(({ nodeId }) => nodeId).join(',')}`,
    `isr_version:${isrVersion}`,
    // Replicas without the master, as `connected_slaves` counts; who is proposed for addition is waited for already.
    `in_sync_replicas:${isr.length - 1}`,
    `waited_for_replicas:${waitedFor - 1}`,
    `released_sequence:${releasedThrough}`,
    `unreleased_sequences:${sequence - releasedThrough}`,
    `unreleased_bytes:${heldBytes}`,
  ];
}

/** Lines `field:value` of the section, without its heading. */
export function replicationInfoLines({ sequence, link, followers }: ReplicationInfo, priority: number): string[] {
  const lines = [`role:${link === undefined ? 'master' : 'slave'}`];
  if (link !== undefined) {
    lines.push(
      `master_host:${link.master.host}`,
      `master_port:${link.master.port}`,
      `master_link_status:${link.phase === 'streaming' ? 'up' : 'down'}`,
      // Kvrocks means by it that its replication thread gave up; this link never does.
      'master_sync_unrecoverable_error:no',
      `master_sync_in_progress:${link.phase === 'full-syncing' ? 1 : 0}`,
      `master_last_io_seconds_ago:${link.silentMs === undefined ? -1 : Math.floor(link.silentMs / 1000)}`,
      `slave_repl_offset:${sequence}`,
      `slave_priority:${priority}`,
    );
  }
  lines.push(`connected_slaves:${followers.length}`);
  followers.forEach(({ host, port, offset }, i) =>
    lines.push(`slave${i}:ip=${host},port=${port},offset=${offset},lag=${Math.max(0, sequence - offset)}`),
  );
  lines.push(`master_repl_offset:${sequence}`);
  return lines;
}

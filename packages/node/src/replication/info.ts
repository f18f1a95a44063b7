/** What INFO and ROLE say of replication, in Kvrocks' fields and order (2.10). */
import type { FollowerFacts, LinkFacts } from '@holdfast/replication';

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

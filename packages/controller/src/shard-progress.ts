/**
 * What this process remembers of the transition into one epoch. None of it is needed to go on after a restart or by
 * another controller: RESIGN is answered again, the balancer applies again; what would be lost are the timings for the
 * event log.
 */
export interface ShardProgress {
  readonly epoch: number;
  resignation: number | 'failed' | undefined;
  isRefused: boolean;
  balancer: 'pending' | 'moved' | 'failing';
  isReleased: boolean;
  /** True from the first SHARD to the candidate: before that it gets no lease. */
  isGranting: boolean;
  readonly marks: ProgressMarks;
}

/** Instants of the lease clock. */
export interface ProgressMarks {
  /** Last reply of the old master. */
  heardMs: number | undefined;
  readonly beganMs: number;
  clearedMs: number | undefined;
  promotedMs: number | undefined;
  movedMs: number | undefined;
}

export function newProgress(epoch: number, beganMs: number, heardMs: number | undefined): ShardProgress {
  return {
    epoch,
    resignation: undefined,
    isRefused: false,
    balancer: 'pending',
    isReleased: false,
    isGranting: false,
    marks: { heardMs, beganMs, clearedMs: undefined, promotedMs: undefined, movedMs: undefined },
  };
}

/** The timings of an event: how long after the last sign of the old master, or after the start, each thing happened. */
export function timingsOf({ marks }: ShardProgress): Record<string, number> {
  const from = marks.heardMs ?? marks.beganMs;
  const timings: Record<string, number> = {};
  const put = (name: string, atMs: number | undefined): void => {
    if (atMs !== undefined) timings[name] = atMs - from;
  };
  put('epoch_taken_ms', marks.beganMs);
  put('lease_ended_ms', marks.clearedMs);
  put('promoted_ms', marks.promotedMs);
  put('lb_moved_ms', marks.movedMs);
  return timings;
}

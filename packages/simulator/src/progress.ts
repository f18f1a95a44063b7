/** What this process remembers of the transition into one epoch; none of it is needed to go on after a restart. */
export interface Progress {
  readonly epoch: number;
  promisesEndMs: number | undefined;
  resignation: number | 'failed' | undefined;
  isRefused: boolean;
  balancer: 'pending' | 'moved' | 'failing';
  isReleased: boolean;
  isGranting: boolean;
  promotedMs: number | undefined;
}

export function newProgress(epoch: number): Progress {
  return {
    epoch,
    promisesEndMs: undefined,
    resignation: undefined,
    isRefused: false,
    balancer: 'pending',
    isReleased: false,
    isGranting: false,
    promotedMs: undefined,
  };
}

/** A switchover before its epoch is taken. */
export interface SwitchRequest {
  readonly candidateId: string;
  holdBeganMs: number | undefined;
  heldSequence: number | undefined;
}

export function askSwitch(candidateId: string): SwitchRequest {
  return { candidateId, holdBeganMs: undefined, heldSequence: undefined };
}

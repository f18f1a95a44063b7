/**
 * `read-mode confirm`: a read may be answered when it is proven, without any clock, that no other mastership had begun
 * when it was admitted.
 *
 * The proof: a probe that was started after the read was admitted, answered by every member of the effective ISR on a
 * link attached in this epoch. Whoever becomes master of a later epoch is one of them (nobody else may be promoted), and
 * closes the links of the former epoch before it serves anything. So at the time of the answers none of them had begun,
 * and nothing acknowledged elsewhere can be missing in the read. Alone in the ISR nobody else can be promoted at all.
 * (An operator's failover that accepts the loss of data is outside of this, as it is outside of everything.)
 *
 * Probes are numbered; an answer to one is an answer to all before, as a link keeps their order. One probe serves all
 * reads of a tick.
 */
import { assert } from '@holdfast/base';
import { effectiveIsr, type InSync } from './in-sync.ts';

export interface ReadProbes {
  readonly epoch: number;
  /** The number of the newest probe; 0: none yet. */
  readonly started: number;
  /** The newest probe that each node answered in this epoch. */
  readonly answered: ReadonlyMap<string, number>;
}

export function noProbes(epoch: number): ReadProbes {
  return { epoch, started: 0, answered: new Map() };
}

/** Starts the probe of everything admitted up to now; `started` of the result is its number. */
export function startProbe(probes: ReadProbes): ReadProbes {
  return { ...probes, started: probes.started + 1 };
}

/** Notes an answer, which came on a link attached in this epoch. */
export function noteProbeAnswer(probes: ReadProbes, nodeId: string, probe: number): ReadProbes {
  assert(probe <= probes.started, `probe ${probe} was answered, only ${probes.started} were started`);
  if (probe <= (probes.answered.get(nodeId) ?? 0)) return probes;
  return { ...probes, answered: new Map(probes.answered).set(nodeId, probe) };
}

/** Reads whose probe has this number or a lower one may be answered. */
export function confirmedProbe(probes: ReadProbes, state: InSync): number {
  assert(probes.epoch === state.epoch, `probes of epoch ${probes.epoch} in the mastership of ${state.epoch}`);
  let through = probes.started;
  for (const { nodeId } of effectiveIsr(state))
    if (nodeId !== state.ownId) through = Math.min(through, probes.answered.get(nodeId) ?? 0);
  return through;
}

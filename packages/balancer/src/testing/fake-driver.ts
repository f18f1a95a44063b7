/** A balancer without sockets, for tests of what drives one: the same guard, every call kept, failures on request. */
import { mayReplace } from '../binding-set.ts';
import type {
  ApplyResult,
  BalancerDriver,
  DesiredBindings,
  ObservedBinding,
  ObservedBindings,
  ProbedBackend,
  ProbeRequest,
} from '../driver.ts';

export class FakeBalancer implements BalancerDriver {
  readonly name: string = 'fake balancer';
  /** What stands now; a test may set it, as an operator or a reload would. */
  current: DesiredBindings = { revision: 0, bindings: [] };
  /** Every accepted change, oldest first. */
  readonly applied: DesiredBindings[] = [];
  readonly cuts: { readonly address: string; readonly backend: string }[] = [];
  /** Connections that `observe` reports and `cut` takes away: address -> backend -> count. */
  readonly connections: Map<string, Map<string, number>> = new Map();
  /** For how long a backend has not answered this balancer, ms; a test replaces it. */
  silenceOf: (backend: string) => number = () => 0;
  /** Thrown by every call while set. */
  failure: Error | undefined;

  async apply(desired: DesiredBindings): Promise<ApplyResult> {
    if (this.failure !== undefined) throw this.failure;
    if (mayReplace(this.current, desired)) {
      this.current = desired;
      this.applied.push(desired);
      for (const { address, backend, drainMs } of desired.bindings)
        if (drainMs === 0) this.#cutWhere(address, (other) => other !== backend);
    }
    return { revision: this.current.revision, failed: [] };
  }

  async observe(): Promise<ObservedBindings> {
    if (this.failure !== undefined) throw this.failure;
    const bindings = this.current.bindings.map(({ address, backend }): ObservedBinding => {
      const counts = [...(this.connections.get(address) ?? [])];
      const connections = counts.map(([to, count]) => ({ backend: to, count }));
      return { address, backend, listening: true, error: null, connections };
    });
    return { revision: this.current.revision, bindings };
  }

  async cut(address: string, backend: string): Promise<number> {
    if (this.failure !== undefined) throw this.failure;
    this.cuts.push({ address, backend });
    return this.#cutWhere(address, (other) => other === backend);
  }

  async probe({ backends }: ProbeRequest): Promise<readonly ProbedBackend[]> {
    if (this.failure !== undefined) throw this.failure;
    return backends.map((backend) => {
      const silentMs = this.silenceOf(backend);
      const failures = Math.floor(silentMs / 200);
      const error = failures === 0 ? null : 'no answer within 200 ms';
      return { backend, reachable: failures === 0, lastAnswerMsAgo: silentMs, silentMs, failures, error };
    });
  }

  #cutWhere(address: string, matches: (backend: string) => boolean): number {
    const counts = this.connections.get(address) ?? new Map<string, number>();
    let cut = 0;
    for (const [backend, count] of counts) {
      if (!matches(backend)) continue;
      counts.delete(backend);
      cut += count;
    }
    return cut;
  }
}

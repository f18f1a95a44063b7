/** Slot routing as the dispatcher asks for it: the error line of a request that is not to be executed here. */
import { assert, unreachable, type Endpoint } from '@holdfast/base';
import type { CommandDefinition, Session } from '@holdfast/commands';
import type { Request } from '@holdfast/resp';
import { movedError, type Slot } from '@holdfast/topology';
import {
  noSlot,
  redirectTarget,
  requestBits,
  route,
  routeCodes,
  severalSlots,
  slotOfRequest,
  type RouteCode,
  type RoutingFacts,
} from './routing.ts';

/** Texts of Kvrocks, except the last. */
export const routeErrors = {
  severalSlots: "CROSSSLOT Attempted to access keys that don't hash to the same slot",
  unserved: 'CLUSTERDOWN Hash slot not served',
  tryAgain: "TRYAGAIN Can't write to slot being migrated which is in write forbidden phase",
  masterDown: 'MASTERDOWN Link with MASTER is down and the replica has not attached since its last role change',
} as const;

export class SlotRouter {
  readonly #facts: RoutingFacts;
  #closes = false;

  /** @param facts asked anew for each request: getters, or a record its owners keep up to date. */
  constructor(facts: RoutingFacts) {
    this.#facts = facts;
  }

  /** Whether the connection is to be closed after the error of the last `route`. */
  get closes(): boolean {
    return this.#closes;
  }

  /**
   * Judges one request whose arity fits.
   * @returns undefined to execute it, else the whole error line.
   */
  route(definition: CommandDefinition, request: Request, session: Session, isWrite: boolean): string | undefined {
    this.#closes = false;
    const slot = slotOfRequest(definition, request);
    if (slot === noSlot) return undefined;
    let bits = isWrite ? requestBits.write : 0;
    if (session.readonlyMode) bits |= requestBits.readonlyMode;
    if (session.asking) bits |= requestBits.asking;
    const code = route(this.#facts, slot, bits);
    return code === routeCodes.execute ? undefined : this.#error(code, slot);
  }

  #error(code: Exclude<RouteCode, 0>, slot: number): string {
    switch (code) {
      case routeCodes.severalSlots:
        return routeErrors.severalSlots;
      case routeCodes.unserved:
        return routeErrors.unserved;
      case routeCodes.tryAgain:
        return routeErrors.tryAgain;
      case routeCodes.masterDown:
        return routeErrors.masterDown;
      case routeCodes.movedAndClose:
      case routeCodes.moved: {
        this.#closes = code === routeCodes.movedAndClose;
        const target = redirectTarget(this.#facts, slot);
        assert(target !== undefined, `slot ${slot} was routed away and has no owner`);
        return movedError(slot as Slot, target);
      }
      default:
        return unreachable(code);
    }
  }

  /**
   * The answer to a client that has to leave because its shard's master moved (RESIGN, RELEASE): nothing was executed.
   * What has no key goes where the shard is reached too: it came here for the shard's master.
   * @param owner where this node's shard is reached, as RELEASE named it; by the topology when absent (an LB address
   *   belongs to the role, so an old topology names the right one). Of use only while the topology names this node.
   * @returns undefined when no other node is known for its slot: close only.
   */
  redirection(definition: CommandDefinition, request: Request, owner?: Endpoint): string | undefined {
    const { topology } = this.#facts;
    const { self } = topology;
    const asked = slotOfRequest(definition, request);
    if (asked === severalSlots) return routeErrors.severalSlots;
    const slot = asked === noSlot ? this.#slotOfOwnShard() : asked;
    if (slot === undefined) return undefined;
    const isOwn = self !== undefined && topology.ownerOf(slot as Slot) === self;
    const target = (isOwn ? owner : undefined) ?? redirectTarget(this.#facts, slot);
    // Without an LB address an old topology names this node itself, which is where the client may not stay.
    if (target === self?.internal) return undefined;
    return target === undefined ? undefined : movedError(slot as Slot, target);
  }

  #slotOfOwnShard(): number | undefined {
    const { topology } = this.#facts;
    const { self } = topology;
    if (self === undefined) return undefined;
    return topology.rangesOf(self.role === 'replica' ? self.masterId : self.id)[0]?.start;
  }
}

/**
 * What can be done to the hosts of a network of namespaces.
 *
 * A link is cut in one direction by telling the sender a wrong hardware address for the receiver, which nobody has and
 * which no answer overrides: its packets leave, and nobody takes them. So the cut is as silent as that of a switch that
 * loses packets: connections stall and are repeated into the void, nothing is reset, nothing is refused, and the other
 * direction does not notice. It needs no packet filter and no traffic control in the kernel.
 *
 * An interface that goes down takes those entries with it; they are made again when it comes up.
 */
import type { Connector } from '@holdfast/base';
import type { HostFaults } from '../cluster.ts';
import { insideConnector } from './inside-connector.ts';
import { addressOf, ipAt, launchAt, namespaceOf, type NetworkPlan } from './network.ts';
import { OwnDisks } from './own-disks.ts';

/** Locally administered, and of no interface here: the kernel chooses such addresses at random. */
const nobody = '02:00:00:00:de:ad';

/** @param disks file system of each node that has one of its own, by place. */
export function hostFaults(plan: NetworkPlan, disks: ReadonlyMap<string, string>): HostFaults {
  const cuts = new Map(plan.places.map((place) => [place, new Set<string>()]));
  const down = new Set<string>();
  const ownDisks = new OwnDisks(disks);
  const connectors = new Map<string, Promise<Connector>>();
  const cutsOf = (from: string, to: string): Set<string> => {
    namespaceOf(plan, to); // refuses what is no place
    const found = cuts.get(from);
    if (found === undefined || from === to) throw new RangeError(`no link from ${from} to ${to}`);
    return found;
  };
  const cutLine = (to: string): string =>
    `neigh replace ${addressOf(plan, to)} lladdr ${nobody} dev eth0 nud permanent`;
  return {
    cutLink(from, to) {
      cutsOf(from, to).add(to);
      if (!down.has(from)) ipAt(plan, from, [cutLine(to)]);
    },
    healLink(from, to) {
      if (!cutsOf(from, to).delete(to) || down.has(from)) return;
      ipAt(plan, from, [`neigh del ${addressOf(plan, to)} dev eth0`]);
    },
    setInterface(place, state) {
      const cutLines = state === 'up' ? [...(cuts.get(place) ?? [])].map(cutLine) : [];
      ipAt(plan, place, [`link set eth0 ${state}`, ...cutLines]);
      if (state === 'down') down.add(place);
      else down.delete(place);
    },
    fillDisk: (place) => ownDisks.fill(place),
    freeDisk: (place) => ownDisks.free(place),
    inside(place) {
      const connector = connectors.get(place) ?? insideConnector(launchAt(plan, place));
      connectors.set(place, connector);
      return connector;
    },
  };
}

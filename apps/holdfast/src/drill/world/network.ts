/**
 * A network of hosts on one machine, made of network namespaces: one for each place, all plugged into a bridge that stands
 * in a namespace of its own. Nothing of it is in the machine's own network, so nothing can clash with it, and two runs
 * beside each other cannot meet.
 *
 *   <run>-switch      br0, a port for each place
 *   <run>-<place>     lo, eth0 with 10.x.y.n/24
 *
 * The places see each other and nobody else. What is described here can be handed to another process.
 */
import { readdirSync } from 'node:fs';
import { formatRunName, parseRunName, type RunName } from './run-name.ts';
import { runCommand } from './system-command.ts';

export interface NetworkPlan {
  readonly run: RunName;
  /** Names of the hosts, at most 15 letters each. */
  readonly places: readonly string[];
}

/** Where `ip netns` keeps the namespaces that have names. */
const namespaceFolder = '/run/netns';
const switchName = 'switch';
/** The last byte of an address is 1 to 254. */
const placesMost = 250;

/** The namespace of a place. @throws RangeError when the network has no such place. */
export function namespaceOf(plan: NetworkPlan, place: string): string {
  requirePlace(plan, place);
  return namespaceName(plan.run, place);
}

/** The address of a place, without its length. @throws RangeError when the network has no such place. */
export function addressOf(plan: NetworkPlan, place: string): string {
  const { pid } = plan.run;
  return `10.${(pid >> 8) & 255}.${pid & 255}.${requirePlace(plan, place) + 1}`;
}

/** What stands before a command that is to run at a place, and becomes it: only its network is another one. */
export function launchAt(plan: NetworkPlan, place: string): readonly string[] {
  return ['nsenter', `--net=${namespaceFolder}/${namespaceOf(plan, place)}`, '--'];
}

/** Runs `ip` at a place, with one line for each command. @throws OperationError DRILL_SYSTEM */
export function ipAt(plan: NetworkPlan, place: string, lines: readonly string[]): void {
  runCommand('ip', ['-n', namespaceOf(plan, place), '-batch', '-'], `${lines.join('\n')}\n`);
}

/**
 * Makes the network; every interface is up when this returns.
 * @throws OperationError DRILL_SYSTEM when it cannot be made; what was made until then stays for `removeNetwork`.
 */
export function makeNetwork(plan: NetworkPlan): void {
  const { run, places } = plan;
  if (places.length > placesMost) throw new RangeError(`${places.length} hosts; a network has room for ${placesMost}`);
  const all = [switchName, ...places].map((place) => namespaceName(run, place));
  runCommand('ip', ['-batch', '-'], all.map((name) => `netns add ${name}\n`).join(''));
  const wires = places.flatMap((place) => [
    `link add name ${place} type veth peer name eth0 netns ${namespaceName(run, place)}`,
    `link set ${place} master br0 up`,
  ]);
  const lines = ['link add name br0 type bridge', 'link set br0 up', ...wires];
  runCommand('ip', ['-n', namespaceName(run, switchName), '-batch', '-'], `${lines.join('\n')}\n`);
  for (const place of places)
    ipAt(plan, place, ['link set lo up', `addr add ${addressOf(plan, place)}/24 dev eth0`, 'link set eth0 up']);
}

/** Removes every namespace of a run. What still runs inside keeps its namespace, without a name, until it ends. */
export function removeNetwork(run: RunName): void {
  const names = namespacesOf((other) => formatRunName(other) === formatRunName(run));
  if (names.length === 0) return;
  // Another run may be removing the same leftovers: what is gone already is no error.
  try {
    runCommand('ip', ['-force', '-batch', '-'], names.map((name) => `netns del ${name}\n`).join(''));
  } catch (error) {
    const left = new Set(namespacesOf(() => true));
    if (names.some((name) => left.has(name))) throw error;
  }
}

/** Pids of everything that runs in a namespace of a run. */
export function processesIn(run: RunName): readonly number[] {
  const names = namespacesOf((other) => formatRunName(other) === formatRunName(run));
  return names.flatMap((name) => {
    try {
      return runCommand('ip', ['netns', 'pids', name]).split(/\s+/).filter(Boolean).map(Number);
    } catch {
      return []; // Removed meanwhile.
    }
  });
}

/** The runs that have namespaces on this machine, each once. */
export function runsWithNetworks(): readonly RunName[] {
  const runs = namespacesOf(() => true).map((name) => parseRunName(name));
  const byName = new Map(runs.flatMap((run) => (run === undefined ? [] : [[formatRunName(run), run] as const])));
  return [...byName.values()];
}

function namespacesOf(wanted: (run: RunName) => boolean): string[] {
  let names: string[];
  try {
    names = readdirSync(namespaceFolder);
  } catch {
    return []; // Nobody has ever made one here.
  }
  return names.filter((name) => {
    const run = parseRunName(name);
    return run !== undefined && wanted(run);
  });
}

function namespaceName(run: RunName, place: string): string {
  return `${formatRunName(run)}-${place}`;
}

function requirePlace({ places }: NetworkPlan, place: string): number {
  const index = places.indexOf(place);
  if (index < 0) throw new RangeError(`no host ${place}; there are ${places.join(', ')}`);
  return index;
}

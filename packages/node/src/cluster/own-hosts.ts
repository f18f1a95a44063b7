/**
 * The addresses by which a node recognises itself in a topology: its `bind` entries as they are written, and when one of
 * them is a wildcard, those of all interfaces. Host names are never resolved (Kvrocks neither).
 */
const wildcards: ReadonlySet<string> = new Set(['0.0.0.0', '::', '*', '::*']);

export function ownHosts(binds: readonly string[], interfaceAddresses: () => readonly string[]): string[] {
  // `-` in front: only if the machine has the address.
  const hosts = binds.map((bind) => bind.replace(/^-/, ''));
  const isWildcard = hosts.some((host) => wildcards.has(host));
  return isWildcard ? [...new Set([...hosts, ...interfaceAddresses()])] : hosts;
}

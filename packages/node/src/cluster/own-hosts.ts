/**
 * The addresses by which a node recognises itself in a topology: its `bind` entries as they are written, and when one of
 * them is a wildcard, those of all interfaces. Host names are never resolved (Kvrocks neither).
 */
export function ownHosts(binds: readonly string[], interfaceAddresses: () => readonly string[]): string[] {
  const isWildcard = binds.some((bind) => bind === '0.0.0.0' || bind === '::' || bind === '*');
  return isWildcard ? [...new Set([...binds, ...interfaceAddresses()])] : [...binds];
}

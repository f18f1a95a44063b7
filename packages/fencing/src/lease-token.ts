/**
 * `lease_token:<process id>-<lease clock ms>`: the node's own earlier clock reading, handed out in a heartbeat reply and
 * echoed by the next heartbeat. Time is counted from here, never from arrival, so a heartbeat that waited in the socket
 * buffer of a stopped process renews only what has already passed.
 */
import { isRandomId, parseWhole } from './ids.ts';

export interface LeaseToken {
  readonly processId: string;
  /** Lease clock of that process, whole, rounded down. */
  readonly clockMs: number;
}

export function formatToken({ processId, clockMs }: LeaseToken): string {
  return `${processId}-${Math.floor(clockMs)}`;
}

/** `undefined` for anything that no node of ours hands out. */
export function parseToken(text: string): LeaseToken | undefined {
  const dash = text.indexOf('-');
  if (dash < 0) return undefined;
  const processId = text.slice(0, dash);
  const clockMs = parseWhole(text.slice(dash + 1));
  return clockMs === undefined || !isRandomId(processId) ? undefined : { processId, clockMs };
}

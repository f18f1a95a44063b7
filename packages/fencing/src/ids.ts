/**
 * Identities fencing works with. Mastership belongs to a *process* (random at every start), ISR membership to a *log*
 * (random, replaced whenever the history under it may have changed), a node to its 40-character cluster id.
 */
import { randomText, type Random } from '@holdfast/base';

/** Process and log ids: lower-case letters and digits, so that `-`, `:` and `,` stay free as separators. */
const idPattern = /^[0-9a-z]{8,40}$/;

/** True for a process id or log id. */
export function isRandomId(text: string): boolean {
  return idPattern.test(text);
}

/** A new process id or log id: 20 hexadecimal characters, 80 bits. */
export function makeRandomId(random: Random): string {
  return randomText(random, 20, '0123456789abcdef');
}

/** True for a cluster node id: 40 characters without a blank or one of the separators used on the wire. */
export function isNodeId(text: string): boolean {
  return /^[^\s,:]{40}$/.test(text);
}

/** Epochs fit into the shared lease word (lease-word.ts); one failover a second would reach this after half a year. */
export const maxEpoch: number = 2 ** 24 - 1;

/** Bounds of lease-ms: below 100 ms ten heartbeats do not fit into it, above a minute nobody waits for a failover. */
export const leaseMsBounds: { readonly min: number; readonly max: number } = { min: 100, max: 60_000 };

/** A whole decimal number of at most 15 digits, without sign or leading zero; `undefined` for anything else. */
export function parseWhole(text: string): number | undefined {
  return /^(0|[1-9][0-9]{0,14})$/.test(text) ? Number(text) : undefined;
}

/** As `parseWhole`, and `undefined` outside `min`..`max`. */
export function parseWholeWithin(text: string, min: number, max: number): number | undefined {
  const value = parseWhole(text);
  return value === undefined || value < min || value > max ? undefined : value;
}

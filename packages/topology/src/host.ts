/**
 * What may stand where a host is expected, decided without resolving anything. Internal hosts are taken as they come
 * (Kvrocks validates none); a load-balancer host is handed to clients, so it has to be an address or a host name.
 */
import type { Endpoint } from '@holdfast/base';

/** Dotted decimal with four parts of 0..255 and no leading zeros (which some read as octal). */
export function isIpv4(text: string): boolean {
  const parts = text.split('.');
  return parts.length === 4 && parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part) && Number(part) <= 255);
}

/** The eight groups of an IPv6 address (RFC 4291 2.2, without zone), or undefined when `text` is none. */
function ipv6Groups(text: string): number[] | undefined {
  if (!/^[0-9a-fA-F:.]+$/.test(text)) return undefined;
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const sides: number[][] = [];
  for (const [index, half] of halves.entries()) {
    const groups = half === '' ? [] : groupsOf(half, index === halves.length - 1);
    if (groups === undefined) return undefined;
    sides.push(groups);
  }
  const [head = [], tail] = sides;
  if (tail === undefined) return head.length === 8 ? head : undefined;
  const missing = 8 - head.length - tail.length;
  return missing < 1 ? undefined : [...head, ...new Array<number>(missing).fill(0), ...tail];
}

/** Groups of one side of `::`. Only the very last may be written as an IPv4 address, which is two groups. */
function groupsOf(text: string, isLastSide: boolean): number[] | undefined {
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    if (isLastSide && index === parts.length - 1 && part.includes('.')) {
      if (!isIpv4(part)) return undefined;
      const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number);
      groups.push(a * 256 + b, c * 256 + d);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(parseInt(part, 16));
    else return undefined;
  }
  return groups;
}

/** Textual IPv6 without brackets and without a zone. */
export function isIpv6(text: string): boolean {
  return ipv6Groups(text) !== undefined;
}

/**
 * A host name by RFC 1123 2.1: labels of letters, digits and inner hyphens, 63 characters each, 253 together. The last
 * label is not all digits, or a mistyped IPv4 address would pass as a name.
 */
export function isHostName(text: string): boolean {
  if (text.length === 0 || text.length > 253) return false;
  const labels = text.split('.');
  return (
    labels.every((label) => /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(label)) &&
    !/^[0-9]+$/.test(labels.at(-1) ?? '')
  );
}

/** Whether `text` is an address rather than a name. */
export function isIpAddress(text: string): boolean {
  return isIpv4(text) || isIpv6(text);
}

/** The same text for every way to write one host: names in lower case, IPv6 in eight groups. Never shown to anyone. */
export function canonicalHost(host: string): string {
  const groups = ipv6Groups(host);
  return groups === undefined ? host.toLowerCase() : groups.map((group) => group.toString(16)).join(':');
}

/** A key under which equal endpoints meet, however their hosts are written. */
export function endpointKey({ host, port }: Endpoint): string {
  return `${canonicalHost(host)} ${port}`;
}

export function sameEndpoint(left: Endpoint, right: Endpoint): boolean {
  return left.port === right.port && (left.host === right.host || endpointKey(left) === endpointKey(right));
}

/**
 * Reads `host:port`, an IPv6 host in brackets or, as Redis prints it, without: what follows the last colon is the port.
 * @returns undefined when there is no host or no port of 1..65535.
 */
export function parseEndpoint(text: string): Endpoint | undefined {
  const [, bracketed, plain, portText = ''] = /^(?:\[([^\]]+)\]|([^[\]]+)):([0-9]{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(portText);
  return host === undefined || port < 1 || port > 65535 ? undefined : { host, port };
}

import type { Endpoint } from '@holdfast/base';
import { z } from 'zod';

const ipv4 = z.ipv4();
const ipv6 = z.ipv6();

const hostName = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i;

/**
 * Reads `host:port`: an IPv4 address, an IPv6 address in brackets or a host name (RFC 1123), and a port from 1 to 65535
 * in plain decimal.
 * @returns undefined when the text is anything else.
 */
export function parseEndpoint(text: string): Endpoint | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+)):([1-9][0-9]{0,4})$/i.exec(text);
  if (match === null) return undefined;
  const [, bracketed, other, digits] = match;
  const port = Number(digits);
  if (port > 65_535) return undefined;
  if (bracketed !== undefined) return ipv6.safeParse(bracketed).success ? { host: bracketed, port } : undefined;
  const host = other ?? '';
  // All digits and dots but no IPv4 address is a typing error, not a name.
  const valid = /^[0-9.]+$/.test(host) ? ipv4.safeParse(host).success : hostName.test(host);
  return valid ? { host, port } : undefined;
}

/** Where a node listens for clients, as the directives say: TCP, TCP with TLS, a Unix socket, an inherited descriptor. */
import type { Config } from '../config/index.ts';
import type { Spoken } from './arrivals.ts';

export type ListenAddress =
  | {
      readonly kind: 'tcp';
      readonly host: string;
      readonly port: number;
      readonly spoken: Spoken;
      /** Written with `-` in front: left out when the machine has no such address. */
      readonly optional: boolean;
    }
  | { readonly kind: 'unix'; readonly path: string; readonly mode: number }
  | { readonly kind: 'descriptor'; readonly fd: number };

const wildcards: Readonly<Record<string, string>> = { '*': '0.0.0.0', '::*': '::' };

/** A word of `bind` as an address: `*` is every IPv4 address, `::*` every IPv6 one. */
function hostOf(word: string): { readonly host: string; readonly optional: boolean } {
  const optional = word.startsWith('-');
  const written = optional ? word.slice(1) : word;
  return { host: wildcards[written] ?? written, optional };
}

/**
 * All of them, in the order in which they are opened: who reaches the plain port finds the others open. `socket-fd` stands in for `bind` and `port`; a `tls-port` that is the
 * `port` takes both.
 */
export function listenAddresses(config: Pick<Config, 'get'>): ListenAddress[] {
  const fd = config.get('socket-fd');
  const path = config.get('unixsocket');
  const port = fd >= 0 ? 0 : config.get('port');
  const tlsPort = config.get('tls-port');
  const hosts = config.get('bind').map(hostOf);
  const tcp = (at: number, spoken: Spoken): ListenAddress[] =>
    at === 0 ? [] : hosts.map((host) => ({ kind: 'tcp', ...host, port: at, spoken }));
  const inherited: ListenAddress[] = fd >= 0 ? [{ kind: 'descriptor', fd }] : [];
  const unix: ListenAddress[] = path === '' ? [] : [{ kind: 'unix', path, mode: config.get('unixsocketperm') }];
  if (port === tlsPort) return [...unix, ...inherited, ...tcp(port, 'both')];
  return [...unix, ...tcp(tlsPort, 'tls'), ...inherited, ...tcp(port, 'plain')];
}

/** For people. */
export function formatListenAddress(address: ListenAddress): string {
  switch (address.kind) {
    case 'tcp':
      return `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
    case 'unix':
      return address.path;
    case 'descriptor':
      return `descriptor ${address.fd}`;
    default:
      return address satisfies never;
  }
}

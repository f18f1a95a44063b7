/** Addresses of a socket's ends as they are shown: `host:port`, IPv6 in brackets, IPv4 never mapped. */
export function addressOf(host: string | undefined, port: number | undefined): string {
  const shown = host?.startsWith('::ffff:') ? host.slice(7) : (host ?? '?');
  return shown.includes(':') ? `[${shown}]:${port ?? 0}` : `${shown}:${port ?? 0}`;
}

/** Both ends of a connection, as they are shown. */
export interface SocketEnds {
  readonly peer: string;
  readonly local: string;
}

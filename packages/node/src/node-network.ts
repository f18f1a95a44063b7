/** Where a node takes clients, how many, and with which certificate. */
import { FatalError, messageOf } from '@holdfast/base';
import { defaultNamespace } from '@holdfast/engine';
import type { ClientConnection } from './net/client-connection.ts';
import type { ListenerEnvironment } from './net/client-listener.ts';
import type { ConnectionHost } from './net/connection-host.ts';
import { listenAddresses } from './net/listen-addresses.ts';
import { clientsPossible, openFilesMax } from './net/open-files.ts';
import { proxySources } from './net/proxy-sources.ts';
import { TlsCredentials } from './net/tls-credentials.ts';
import type { Node, NodeEnvironment } from './node.ts';

/**
 * Reads the TLS files that the directives name, if anything speaks TLS.
 * @throws FatalError naming directive, file and reason.
 */
export function openTls({ config, logger }: NodeEnvironment): TlsCredentials {
  const tls = new TlsCredentials(config, logger);
  try {
    tls.open();
  } catch (error) {
    throw new FatalError(messageOf(error), 1, error);
  }
  return tls;
}

/** What the listener is given of the node. */
export function listenerEnvironment(node: Node, host: ConnectionHost): ListenerEnvironment {
  const { config, timers, logger } = node.env;
  const possible = clientsPossible(openFilesMax(), config.get('rocksdb.max_open_files'));
  if (config.get('maxclients') > possible) {
    logger.warn('the limit of open files allows fewer clients than maxclients: raise it (ulimit -n, LimitNOFILE)', {
      openFiles: openFilesMax(),
      clients: possible,
      maxclients: config.get('maxclients'),
    });
  }
  config.onChange('maxclients', (count) =>
    count > possible
      ? `The operating system is not able to handle the specified number of clients, try with ${possible}`
      : undefined,
  );
  return {
    host,
    timers,
    defaultNamespace,
    logger,
    maxClients: () => Math.min(config.get('maxclients'), possible),
    idleMs: () => config.get('timeout') * 1000,
    keepAliveMs: () => config.get('tcp-keepalive') * 1000,
    clientBytesMax: () => config.get('maxmemory-clients'),
    proxies: proxySources(config),
    tlsMaterial: () => node.tls.material,
    nativeTransport: () => config.get('native-transport'),
    welcome: (connection) => welcome(node, connection),
  };
}

/** Without a password every client is an administrator, wherever it comes from. */
function welcome({ env }: Node, connection: ClientConnection): void {
  if (env.config.get('requirepass') !== '') return;
  connection.authenticated = true;
  connection.admin = true;
}

/**
 * Takes clients from here on.
 * @throws FatalError naming the address that cannot be listened on.
 */
export async function listenForClients({ env, listener }: Node): Promise<void> {
  for (const address of listenAddresses(env.config)) await listener.listen(address, env.config.get('tcp-backlog'));
}

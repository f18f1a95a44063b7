/** One client connection of a drill: a RESP client that knows, by its peer's own word, which node it talks to. */
import type { Connector, Endpoint, Timers } from '@holdfast/base';
import { RespClient, textOf, type Reply } from '@holdfast/resp';

export interface ConnectionSettings {
  readonly connector: Connector;
  readonly timers: Timers;
  readonly connectTimeoutMs: number;
  readonly commandTimeoutMs: number;
}

export interface Connection {
  readonly address: string;
  readonly client: RespClient;
  /** Id of the node that answered; null as long as it did not. */
  node(): string | null;
  /** Resolves when the node named itself, or with null when it did not. Never rejects. */
  readonly named: Promise<string | null>;
}

/** `host:port`, with IPv6 in brackets, as an endpoint. Throws RangeError when it is none. */
export function parseEndpoint(address: string): Endpoint {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s]+)):([0-9]{1,5})$/.exec(address);
  if (match === null) throw new RangeError(`${JSON.stringify(address)} is no address; use host:port`);
  return { host: match[1] ?? match[2] ?? '', port: Number(match[3]) };
}

/**
 * Opens a connection and asks the node for its id. The answer is not waited for: a stopped process gives none, and what
 * is sent after it must lie in its buffers all the same.
 * @throws OperationError NET_CONNECT.
 */
export async function openConnection(address: string, settings: ConnectionSettings): Promise<Connection> {
  const { connector, timers, connectTimeoutMs, commandTimeoutMs } = settings;
  const client = await RespClient.connect(connector, parseEndpoint(address), {
    timers,
    connectTimeoutMs,
    commandTimeoutMs,
  });
  let node: string | null = null;
  const named = client.command('CLUSTER', 'MYID').then(
    (reply: Reply) => (node = textOf(reply) ?? null),
    () => null,
  );
  return { address, client, named, node: (): string | null => node };
}

/** Streams over TLS, opened by this side. */
import { connect as connectTcp, isIP } from 'node:net';
import { connect as connectTls, type SecureContext } from 'node:tls';
import { OperationError, messageOf } from '../errors.ts';
import { formatEndpoint, type Connector, type Endpoint, type Transport } from '../transport.ts';
import { socketTransport } from './tcp.ts';

/**
 * Opens TLS streams. The peer must show a certificate of one of the context's authorities; whether the name in it is that
 * of the endpoint is not asked (nodes are known by their addresses, and one certificate may serve them all).
 * @param context asked for at each connect, so that a new certificate counts at once. May throw.
 */
export function tlsConnector(context: () => SecureContext): Connector {
  return {
    connect: (endpoint: Endpoint, { timeoutMs }: { timeoutMs: number }): Promise<Transport> =>
      new Promise((resolve, reject) => {
        const raw = connectTcp({ host: endpoint.host, port: endpoint.port, allowHalfOpen: true, noDelay: true });
        const fail = (reason: string, cause?: unknown): void => {
          clearTimeout(timer);
          raw.destroy();
          const message = `cannot connect to ${formatEndpoint(endpoint)} over TLS: ${reason}`;
          reject(new OperationError('NET_CONNECT', message, { outcome: 'not-applied', cause }));
        };
        const timer = setTimeout(() => fail(`no answer within ${timeoutMs} ms`), timeoutMs);
        const onError = (error: Error): void => fail(messageOf(error), error);
        const handshake = (): void => {
          const name = isIP(endpoint.host) === 0 ? { servername: endpoint.host } : {};
          const checkServerIdentity = (): undefined => undefined;
          const socket = connectTls({ socket: raw, secureContext: context(), checkServerIdentity, ...name });
          socket.once('error', onError);
          socket.once('secureConnect', () => {
            clearTimeout(timer);
            socket.off('error', onError);
            resolve(socketTransport(socket));
          });
        };
        raw.once('error', onError);
        raw.once('connect', () => {
          try {
            handshake();
          } catch (error) {
            fail(messageOf(error), error);
          }
        });
      }),
  };
}

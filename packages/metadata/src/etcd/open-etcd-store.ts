/**
 * The etcd store as processes use it: over gRPC, with the files of TLS read, and settings checked before anything is
 * promised. An etcd that is down does not stop the start (controllers and etcd may be started in any order); one that
 * refuses the credentials does.
 */
import { readFileSync } from 'node:fs';
import { FatalError, OperationError, messageOf, type Clock, type Logger, type Timers } from '@holdfast/base';
import { leaderKey, type MetadataStore } from '../metadata-store.ts';
import type { EtcdCredentials } from './etcd-calls.ts';
import { EtcdFailure } from './etcd-rpc.ts';
import { EtcdStore } from './etcd-store.ts';
import { GrpcEndpoint, type TlsMaterial } from './grpc-endpoint.ts';

/** Paths of PEM files. Without `caFile` the system's authorities count; `certFile` and `keyFile` come together. */
export interface EtcdTlsFiles {
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
}

export interface OpenEtcdStoreOptions {
  /** `host:port` of each etcd member. */
  readonly endpoints: readonly string[];
  /** Begins with `/` and does not end with it, e.g. `/holdfast/production`. */
  readonly prefix: string;
  /**
   * At least 2000: etcd grants no shorter lease with its own default settings. When etcd loses its own leader it answers
   * nobody for 1 to 3 s; a lease shorter than that costs the controllers' leadership then (and another one begins).
   */
  readonly leaseTtlMs: number;
  /** The longest any call takes; default 3000. */
  readonly requestTimeoutMs?: number;
  /** Given: TLS, also when no file is named. */
  readonly tls?: EtcdTlsFiles;
  readonly credentials?: EtcdCredentials;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
}

const leaseTtlMsMin = 2000;
const requestTimeoutMsDefault = 3000;

/**
 * Opens the store.
 * @throws FatalError, exit status 2: a setting is wrong; exit status 3: a TLS file cannot be read, or etcd refuses the
 *   user, the password or the access to the prefix.
 */
export async function openEtcdStore(options: OpenEtcdStoreOptions): Promise<MetadataStore> {
  checkSettings(options);
  const tls = options.tls === undefined ? undefined : readTls(options.tls);
  const store = new EtcdStore({
    ...options,
    requestTimeoutMs: options.requestTimeoutMs ?? requestTimeoutMsDefault,
    endpoints: options.endpoints.map((address) => new GrpcEndpoint(address, tls)),
  });
  try {
    await store.get(leaderKey);
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    const { cause } = error;
    if (cause instanceof EtcdFailure && cause.kind === 'refused') {
      await store.close();
      throw new FatalError(error.message, 3, error);
    }
    options.logger.warn('etcd does not answer yet', { reason: error.message });
  }
  return store;
}

function checkSettings({ endpoints, prefix, leaseTtlMs, requestTimeoutMs, tls }: OpenEtcdStoreOptions): void {
  const wrong = (what: string): FatalError => new FatalError(`etcd store: ${what}`, 2);
  if (endpoints.length === 0) throw wrong('no endpoint is given');
  for (const address of endpoints) {
    const port = Number(/^[^/\s]+:(\d{1,5})$/.exec(address)?.[1]);
    if (!(port >= 1 && port <= 65535)) throw wrong(`endpoint ${JSON.stringify(address)} is not of the form host:port`);
  }
  if (!/^(\/[A-Za-z0-9._-]+)+$/.test(prefix) || prefix.length > 200)
    throw wrong(`prefix ${JSON.stringify(prefix)} is not of the form /name/name`);
  if (!(leaseTtlMs >= leaseTtlMsMin)) throw wrong(`a lease of ${leaseTtlMs} ms; the least is ${leaseTtlMsMin}`);
  if (requestTimeoutMs !== undefined && !(requestTimeoutMs >= 100))
    throw wrong(`a request timeout of ${requestTimeoutMs} ms; the least is 100`);
  if ((tls?.certFile === undefined) !== (tls?.keyFile === undefined))
    throw wrong('a certificate and its key are given together or not at all');
}

function readTls({ caFile, certFile, keyFile }: EtcdTlsFiles): TlsMaterial {
  const read = (path: string | undefined): Buffer | undefined => {
    if (path === undefined) return undefined;
    try {
      return readFileSync(path);
    } catch (error) {
      throw new FatalError(`cannot read ${path}: ${messageOf(error)}`, 3, error);
    }
  };
  return { ca: read(caFile), cert: read(certFile), key: read(keyFile) };
}

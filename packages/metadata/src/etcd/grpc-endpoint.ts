/**
 * One etcd member over gRPC.
 *
 * Nothing is decided here but one thing: whether a call that failed can have been carried out. A call begins only on a
 * connection that is ready; what fails before that was not sent. What fails afterwards is in doubt, unless the member
 * itself answered with a status that it gives only for requests it did not carry out. The library's own retries are off.
 */
import {
  Client,
  Metadata,
  connectivityState,
  credentials as channelCredentials,
  status as grpcStatus,
  type ChannelCredentials,
  type ChannelOptions,
  type ClientDuplexStream,
  type ServiceError,
} from '@grpc/grpc-js';
import { messageOf } from '@holdfast/base';
import {
  keyValue,
  methodDefinition,
  rawKeys,
  rawTxn,
  revisionOf,
  wholeNumber,
  type EtcdMethodDefinition,
  type RawRange,
  type RawTxn,
  type RawWatch,
} from './etcd-messages.ts';
import {
  EtcdFailure,
  type EtcdCall,
  type EtcdEndpoint,
  type EtcdMethod,
  type EtcdMethods,
  type EtcdRefusal,
  type EtcdStream,
  type EtcdWatchEvents,
  type EtcdWatchRequest,
} from './etcd-rpc.ts';

/** PEM text. */
export interface TlsMaterial {
  readonly ca?: Buffer | undefined;
  readonly cert?: Buffer | undefined;
  readonly key?: Buffer | undefined;
}

/** A connection that is not there after this long is given up. */
const connectMs = 1000;

const channelOptions: ChannelOptions = {
  'grpc.enable_retries': 0,
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 500,
  // etcd closes connections that ping more often than every 5 s.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 3000,
  // A listing may be as large as the store; it is our own data.
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  'grpc.use_local_subchannel_pool': 1,
};

const definitions: Readonly<Record<EtcdMethod | 'watch', EtcdMethodDefinition>> = {
  range: methodDefinition('KV', 'Range'),
  txn: methodDefinition('KV', 'Txn'),
  leaseGrant: methodDefinition('Lease', 'LeaseGrant'),
  leaseKeepAlive: methodDefinition('Lease', 'LeaseKeepAlive'),
  leaseRevoke: methodDefinition('Lease', 'LeaseRevoke'),
  authenticate: methodDefinition('Auth', 'Authenticate'),
  watch: methodDefinition('Watch', 'Watch'),
};

/** Ours to etcd's messages. */
const encode: { readonly [M in EtcdMethod]: (request: EtcdMethods[M]['request']) => object } = {
  range: (request) => ({ ...rawKeys(request), revision: request.revision ?? 0 }),
  txn: rawTxn,
  leaseGrant: ({ ttlS }) => ({ TTL: ttlS }),
  leaseKeepAlive: ({ lease }) => ({ ID: lease }),
  leaseRevoke: ({ lease }) => ({ ID: lease }),
  authenticate: ({ user, password }) => ({ name: user, password }),
};

/** etcd's messages to ours. */
const decode: { readonly [M in EtcdMethod]: (raw: object) => EtcdMethods[M]['reply'] } = {
  range: (raw) => ({ revision: revisionOf(raw as RawRange), entries: (raw as RawRange).kvs.map(keyValue) }),
  txn: (raw) => {
    const { succeeded, responses } = raw as RawTxn;
    const ranges = responses.flatMap(({ response_range: range }) => (range ? [range.kvs.map(keyValue)] : []));
    return { revision: revisionOf(raw as RawTxn), succeeded, ranges };
  },
  leaseGrant: (raw) => {
    const { ID, TTL } = raw as { readonly ID: string; readonly TTL: string };
    return { lease: ID, ttlS: wholeNumber(TTL) };
  },
  leaseKeepAlive: (raw) => ({ ttlS: wholeNumber((raw as { readonly TTL: string }).TTL) }),
  leaseRevoke: () => ({}),
  authenticate: (raw) => ({ token: (raw as { readonly token: string }).token }),
};

export class GrpcEndpoint implements EtcdEndpoint {
  readonly name: string;
  readonly #client: Client;

  /** @param address `host:port`. Connects when it is first used. */
  constructor(address: string, tls: TlsMaterial | undefined) {
    this.name = address;
    this.#client = new Client(address, channelCredentialsOf(tls), channelOptions);
  }

  call<M extends EtcdMethod>(
    method: M,
    request: EtcdMethods[M]['request'],
    token: string | undefined,
  ): EtcdCall<EtcdMethods[M]['reply']> {
    let giveUp = (): void => undefined;
    const reply = new Promise<EtcdMethods[M]['reply']>((resolve, reject) => {
      let given = false;
      giveUp = (): void => {
        given = true;
        reject(new EtcdFailure('not-sent', `no connection to ${this.name} in time`));
      };
      this.#whenReady((failure) => {
        if (given) return;
        if (failure !== undefined) return reject(failure);
        const cancel = this.#start(method, { request, token }, (error, raw) => {
          if (error !== undefined) return reject(error);
          try {
            resolve(decode[method](raw ?? {}));
          } catch (broken) {
            reject(new EtcdFailure('no-answer', `${this.name} sent what is no answer: ${messageOf(broken)}`));
          }
        });
        giveUp = (): void => {
          reject(new EtcdFailure('no-answer', `${this.name} did not answer in time`));
          cancel();
        };
      });
    });
    return { reply, cancel: (): void => giveUp() };
  }

  watch(request: EtcdWatchRequest, token: string | undefined, events: EtcdWatchEvents): EtcdStream {
    let stream: ClientDuplexStream<object, object> | undefined;
    let ended = false;
    const end = (failure: EtcdFailure): void => {
      if (ended) return;
      ended = true;
      stream?.cancel();
      events.onEnd(failure);
    };
    this.#whenReady((failure) => {
      if (ended) return;
      if (failure !== undefined) return end(failure);
      stream = this.#duplex('watch', token);
      stream.on('error', (error) => end(this.#failureOf(error as ServiceError)));
      stream.on('end', () => end(new EtcdFailure('no-answer', `${this.name} ended a watch`)));
      stream.on('data', (raw: RawWatch) => {
        if (ended) return;
        if (raw.canceled) return end(this.#cancellation(raw));
        if (raw.created) return events.onCreated();
        const list = raw.events.map(({ type, kv }) => {
          const entry = keyValue(kv);
          return { key: entry.key, modRevision: entry.modRevision, entry: type === 1 ? undefined : entry };
        });
        events.onEvents(revisionOf(raw), list);
      });
      const create = { ...rawKeys(request), start_revision: request.startRevision, progress_notify: true };
      stream.write({ create_request: create });
    });
    return {
      cancel: (): void => {
        ended = true;
        stream?.cancel();
      },
    };
  }

  close(): void {
    this.#client.close();
  }

  /** Calls `next` once: without a failure when a connection is ready now. */
  #whenReady(next: (failure?: EtcdFailure) => void): void {
    const channel = this.#client.getChannel();
    const deadline = Date.now() + connectMs;
    const look = (): void => {
      const state = channel.getConnectivityState(true);
      if (state === connectivityState.READY) return next();
      if (state === connectivityState.TRANSIENT_FAILURE || state === connectivityState.SHUTDOWN)
        return next(new EtcdFailure('not-sent', `${this.name} cannot be reached`));
      channel.watchConnectivityState(state, deadline, (error) => {
        if (error === undefined) look();
        else next(new EtcdFailure('not-sent', `no connection to ${this.name} within ${connectMs} ms`));
      });
    };
    look();
  }

  /** Sends one request; calls `done` at most once. Returns the way to give it up. */
  #start<M extends EtcdMethod>(
    method: M,
    { request, token }: { readonly request: EtcdMethods[M]['request']; readonly token: string | undefined },
    done: (failure: EtcdFailure | undefined, raw?: object) => void,
  ): () => void {
    const message = encode[method](request);
    if (method === 'leaseKeepAlive') return this.#exchange(message, token, done);
    const { path, requestSerialize, responseDeserialize } = definitions[method];
    const call = this.#client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      message,
      metadataWith(token),
      (error, raw) => done(error === null ? undefined : this.#failureOf(error), raw),
    );
    return () => call.cancel();
  }

  /** A stream used for one question and one answer: keep-alives exist only as streams. */
  #exchange(
    message: object,
    token: string | undefined,
    done: (failure: EtcdFailure | undefined, raw?: object) => void,
  ): () => void {
    const stream = this.#duplex('leaseKeepAlive', token);
    stream.on('data', (raw: object) => {
      done(undefined, raw);
      stream.cancel();
    });
    stream.on('error', (error) => done(this.#failureOf(error as ServiceError)));
    stream.on('end', () => done(new EtcdFailure('no-answer', `${this.name} ended a keep-alive`)));
    stream.write(message);
    stream.end();
    return () => stream.cancel();
  }

  #duplex(method: 'watch' | 'leaseKeepAlive', token: string | undefined): ClientDuplexStream<object, object> {
    const { path, requestSerialize, responseDeserialize } = definitions[method];
    return this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadataWith(token));
  }

  #cancellation({ compact_revision: compacted, cancel_reason: reason }: RawWatch): EtcdFailure {
    if (wholeNumber(compacted) > 0)
      return new EtcdFailure('refused', `${this.name} compacted up to revision ${compacted}`, 'compacted');
    return new EtcdFailure(
      'refused',
      `${this.name} ended a watch: ${reason || 'no reason given'}`,
      refusalOf(0, reason),
    );
  }

  #failureOf({ code, details }: ServiceError): EtcdFailure {
    const message = `${this.name}: ${details}`;
    // Said before a request is looked at; a member that loses its leader later answers "request timed out".
    if (details === 'etcdserver: no leader') return new EtcdFailure('not-sent', message);
    if (isRefusal(code, details)) return new EtcdFailure('refused', message, refusalOf(code, details));
    return new EtcdFailure('no-answer', message);
  }
}

function channelCredentialsOf(tls: TlsMaterial | undefined): ChannelCredentials {
  if (tls === undefined) return channelCredentials.createInsecure();
  return channelCredentials.createSsl(tls.ca ?? null, tls.key ?? null, tls.cert ?? null);
}

/** A member without a leader says so at once instead of letting the call wait. */
function metadataWith(token: string | undefined): Metadata {
  const metadata = new Metadata();
  metadata.set('hasleader', 'true');
  if (token !== undefined) metadata.set('token', token);
  return metadata;
}

/** Statuses etcd gives only for requests it did not carry out. UNAVAILABLE and UNKNOWN are not among them. */
const refusals: readonly number[] = [
  grpcStatus.INVALID_ARGUMENT,
  grpcStatus.NOT_FOUND,
  grpcStatus.PERMISSION_DENIED,
  grpcStatus.FAILED_PRECONDITION,
  grpcStatus.OUT_OF_RANGE,
  grpcStatus.UNIMPLEMENTED,
  grpcStatus.UNAUTHENTICATED,
];

/** What etcd's own gRPC library answers before etcd sees the request; ours has another spelling and no such limit. */
const messageTooLarge = 'grpc: received message larger than max';

function isRefusal(code: number, details: string): boolean {
  // RESOURCE_EXHAUSTED is said by etcd of requests it did not take, and by libraries of an answer that is too large.
  const byServer = details.startsWith('etcdserver:') || details.startsWith(messageTooLarge);
  return refusals.includes(code) || (code === grpcStatus.RESOURCE_EXHAUSTED && byServer);
}

/** By etcd's texts (etcdserver/api/v3rpc/rpctypes/error.go of v3.4): its codes alone do not tell these apart. */
const refusalTexts: readonly (readonly [text: string, refusal: EtcdRefusal])[] = [
  ['required revision has been compacted', 'compacted'],
  ['requested lease not found', 'lease-not-found'],
  ['request is too large', 'too-large'],
  [messageTooLarge, 'too-large'],
  ['too many operations in txn request', 'too-large'],
  ['authentication failed', 'wrong-credentials'],
  ['authentication is not enabled', 'wrong-credentials'],
  ['invalid auth token', 'unauthenticated'],
  ['revision of auth store is old', 'unauthenticated'],
  ['user name is empty', 'unauthenticated'],
  ['permission denied', 'denied'],
];

function refusalOf(code: number, details: string): EtcdRefusal {
  const known = refusalTexts.find(([text]) => details.includes(text));
  if (known !== undefined) return known[1];
  if (code === grpcStatus.UNAUTHENTICATED) return 'unauthenticated';
  return code === grpcStatus.PERMISSION_DENIED ? 'denied' : 'other';
}

/**
 * The part of etcd's protobuf messages this package uses, as data: names, numbers and types of the fields. An unknown
 * field is skipped by both sides, so what is left out costs nothing.
 *
 * Source: etcd v3.4, packages etcdserverpb and mvccpb (https://etcd.io/docs/v3.4/dev-guide/api_reference_v3/).
 * 64-bit numbers are decimal text on our side.
 */
import { fromJSON, type MethodDefinition, type ServiceDefinition } from '@grpc/proto-loader';
import { assert } from '@holdfast/base';
import type { EtcdCompare, EtcdKeyValue, EtcdKeys, EtcdMethods, EtcdOperation } from './etcd-rpc.ts';

type Fields = Readonly<Record<string, readonly [type: string, id: number, rule?: 'repeated']>>;

const messages: Readonly<Record<string, Fields>> = {
  KeyValue: {
    key: ['bytes', 1],
    create_revision: ['int64', 2],
    mod_revision: ['int64', 3],
    value: ['bytes', 5],
    lease: ['int64', 6],
  },
  Event: { type: ['int32', 1], kv: ['KeyValue', 2] },
  ResponseHeader: { revision: ['int64', 3] },
  RangeRequest: { key: ['bytes', 1], range_end: ['bytes', 2], revision: ['int64', 4] },
  RangeResponse: { header: ['ResponseHeader', 1], kvs: ['KeyValue', 2, 'repeated'] },
  PutRequest: { key: ['bytes', 1], value: ['bytes', 2], lease: ['int64', 3] },
  DeleteRangeRequest: { key: ['bytes', 1] },
  RequestOp: {
    request_range: ['RangeRequest', 1],
    request_put: ['PutRequest', 2],
    request_delete_range: ['DeleteRangeRequest', 3],
  },
  ResponseOp: { response_range: ['RangeResponse', 1] },
  Compare: {
    result: ['int32', 1],
    target: ['int32', 2],
    key: ['bytes', 3],
    create_revision: ['int64', 5],
    mod_revision: ['int64', 6],
    lease: ['int64', 8],
  },
  TxnRequest: {
    compare: ['Compare', 1, 'repeated'],
    success: ['RequestOp', 2, 'repeated'],
    failure: ['RequestOp', 3, 'repeated'],
  },
  TxnResponse: { header: ['ResponseHeader', 1], succeeded: ['bool', 2], responses: ['ResponseOp', 3, 'repeated'] },
  LeaseGrantRequest: { TTL: ['int64', 1] },
  LeaseGrantResponse: { ID: ['int64', 2], TTL: ['int64', 3] },
  LeaseRevokeRequest: { ID: ['int64', 1] },
  LeaseRevokeResponse: {},
  LeaseKeepAliveRequest: { ID: ['int64', 1] },
  LeaseKeepAliveResponse: { TTL: ['int64', 3] },
  WatchCreateRequest: {
    key: ['bytes', 1],
    range_end: ['bytes', 2],
    start_revision: ['int64', 3],
    progress_notify: ['bool', 4],
  },
  WatchRequest: { create_request: ['WatchCreateRequest', 1] },
  WatchResponse: {
    header: ['ResponseHeader', 1],
    created: ['bool', 3],
    canceled: ['bool', 4],
    compact_revision: ['int64', 5],
    cancel_reason: ['string', 6],
    events: ['Event', 11, 'repeated'],
  },
  AuthenticateRequest: { name: ['string', 1], password: ['string', 2] },
  AuthenticateResponse: { token: ['string', 2] },
};

/** Service -> method -> the stem of its messages' names. */
const services = {
  KV: { Range: 'Range', Txn: 'Txn' },
  Lease: { LeaseGrant: 'LeaseGrant', LeaseRevoke: 'LeaseRevoke', LeaseKeepAlive: 'LeaseKeepAlive' },
  Watch: { Watch: 'Watch' },
  Auth: { Authenticate: 'Authenticate' },
} as const;
const streaming: readonly string[] = ['LeaseKeepAlive', 'Watch'];

function descriptor(): Record<string, unknown> {
  const nested: Record<string, unknown> = {};
  for (const [name, fields] of Object.entries(messages)) {
    const entries = Object.entries(fields).map(([field, [type, id, rule]]) => [field, { type, id, rule }]);
    nested[name] = { fields: Object.fromEntries(entries) };
  }
  for (const [service, methods] of Object.entries(services)) {
    const entries = Object.entries(methods).map(([method, stem]) => {
      const isStream = streaming.includes(method);
      const types = { requestType: `${stem}Request`, responseType: `${stem}Response` };
      return [method, { ...types, requestStream: isStream, responseStream: isStream }];
    });
    nested[service] = { methods: Object.fromEntries(entries) };
  }
  return { nested: { etcdserverpb: { nested } } };
}

const definitions = fromJSON(descriptor() as Parameters<typeof fromJSON>[0], {
  keepCase: true,
  longs: String,
  defaults: true,
});

/** How one method is called: its path and the encoding of its messages. */
export type EtcdMethodDefinition = MethodDefinition<object, object>;

export function methodDefinition(service: keyof typeof services, method: string): EtcdMethodDefinition {
  const definition = (definitions[`etcdserverpb.${service}`] as ServiceDefinition | undefined)?.[method];
  assert(definition !== undefined, `no method ${service}.${method}`);
  return definition;
}

interface RawKeyValue {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly create_revision: string;
  readonly mod_revision: string;
  readonly lease: string;
}

interface RawHeader {
  readonly header: { readonly revision: string } | null;
}

export interface RawRange extends RawHeader {
  readonly kvs: readonly RawKeyValue[];
}

export interface RawTxn extends RawHeader {
  readonly succeeded: boolean;
  readonly responses: readonly { readonly response_range?: RawRange | null }[];
}

export interface RawWatch extends RawHeader {
  readonly created: boolean;
  readonly canceled: boolean;
  readonly compact_revision: string;
  readonly cancel_reason: string;
  /** Type 1: removed. */
  readonly events: readonly { readonly type: number; readonly kv: RawKeyValue }[];
}

/** A 64-bit number that has to fit a JavaScript number: a revision or a TTL. */
export function wholeNumber(text: string | undefined): number {
  const value = Number(text);
  assert(Number.isSafeInteger(value), `etcd sent a number that is no safe integer: ${text}`);
  return value;
}

export function revisionOf({ header }: RawHeader): number {
  return wholeNumber(header?.revision);
}

export function keyValue(raw: RawKeyValue): EtcdKeyValue {
  return {
    key: raw.key.toString(),
    value: raw.value.toString(),
    createRevision: wholeNumber(raw.create_revision),
    modRevision: wholeNumber(raw.mod_revision),
    lease: raw.lease,
  };
}

/** `range_end` of a prefix is the prefix with its last byte one higher; UTF-8 has no byte 255 that would overflow. */
export function rawKeys({ key, prefix = false }: EtcdKeys): { key: Buffer; range_end?: Buffer } {
  const bytes = Buffer.from(key);
  if (!prefix) return { key: bytes };
  assert(bytes.length > 0, 'a prefix of all of etcd is never meant');
  const end = Buffer.from(bytes);
  end[end.length - 1] = (end.at(-1) ?? 0) + 1;
  return { key: bytes, range_end: end };
}

const equal = 0;
const notEqual = 3;
const targets = { create: 1, mod: 2, lease: 4 } as const;

function rawCompare(compare: EtcdCompare): object {
  const key = Buffer.from(compare.key);
  switch (compare.target) {
    case 'create':
      return { key, result: equal, target: targets.create, create_revision: compare.revision };
    case 'mod':
      return { key, result: equal, target: targets.mod, mod_revision: compare.revision };
    case 'lease':
      return { key, result: notEqual, target: targets.lease, lease: compare.not };
    default:
      return compare satisfies never;
  }
}

function rawOperation(operation: EtcdOperation): object {
  switch (operation.kind) {
    case 'put': {
      const { key, value, lease = '0' } = operation;
      return { request_put: { key: Buffer.from(key), value: Buffer.from(value), lease } };
    }
    case 'remove':
      return { request_delete_range: { key: Buffer.from(operation.key) } };
    case 'range':
      return { request_range: rawKeys(operation) };
    default:
      return operation satisfies never;
  }
}

export function rawTxn({ compares, success, failure }: EtcdMethods['txn']['request']): object {
  return {
    compare: compares.map(rawCompare),
    success: success.map(rawOperation),
    failure: failure.map(rawOperation),
  };
}

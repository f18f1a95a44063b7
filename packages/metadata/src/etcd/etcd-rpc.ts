/**
 * What this package asks of one etcd member, without saying how it is carried: over gRPC (grpc-endpoint.ts), or inside
 * the process with virtual time (../testing/simulated-etcd.ts). Everything that decides (outcomes, leases, elections,
 * watches) is written against these types and is the same code in both.
 *
 * Source: etcd's v3 API, https://etcd.io/docs/v3.4/learning/api/. Only what is used is here. Revisions are int64 there
 * and safe integers here; lease ids are 64 bits wide and stay decimal text.
 */

/** One key as etcd has it. Keys and values are UTF-8 text. */
export interface EtcdKeyValue {
  readonly key: string;
  readonly value: string;
  readonly createRevision: number;
  readonly modRevision: number;
  /** '0': none. */
  readonly lease: string;
}

/** One key, or all keys that begin with it. */
export interface EtcdKeys {
  readonly key: string;
  readonly prefix?: boolean;
}

export type EtcdCompare =
  /** `revision` 0: the key does not exist. */
  | { readonly key: string; readonly target: 'create' | 'mod'; readonly revision: number }
  /** Holds when the key is absent or attached to another lease. */
  | { readonly key: string; readonly target: 'lease'; readonly not: string };

export type EtcdOperation =
  | { readonly kind: 'put'; readonly key: string; readonly value: string; readonly lease?: string }
  | { readonly kind: 'remove'; readonly key: string }
  | ({ readonly kind: 'range' } & EtcdKeys);

/** Requests and replies by method. `revision` in a reply is the store's when it was decided. */
export interface EtcdMethods {
  range: {
    /** `revision`: as it was then; newest when absent. */
    request: EtcdKeys & { readonly revision?: number };
    reply: { readonly revision: number; readonly entries: readonly EtcdKeyValue[] };
  };
  txn: {
    request: {
      readonly compares: readonly EtcdCompare[];
      readonly success: readonly EtcdOperation[];
      readonly failure: readonly EtcdOperation[];
    };
    reply: {
      readonly revision: number;
      readonly succeeded: boolean;
      /** One list per range operation of the branch that was taken, in order. */
      readonly ranges: readonly (readonly EtcdKeyValue[])[];
    };
  };
  leaseGrant: { request: { readonly ttlS: number }; reply: { readonly lease: string; readonly ttlS: number } };
  /** `ttlS` 0: there is no such lease any more. */
  leaseKeepAlive: { request: { readonly lease: string }; reply: { readonly ttlS: number } };
  leaseRevoke: { request: { readonly lease: string }; reply: Record<string, never> };
  authenticate: {
    request: { readonly user: string; readonly password: string };
    reply: { readonly token: string };
  };
}

export type EtcdMethod = keyof EtcdMethods;

/**
 * What is known of a call that failed.
 * - not-sent: it certainly never reached a member;
 * - no-answer: it may have been carried out, or may be later;
 * - refused: a member answered that it was not carried out.
 */
export type EtcdFailureKind = 'not-sent' | 'no-answer' | 'refused';

export type EtcdRefusal =
  'compacted' | 'lease-not-found' | 'too-large' | 'unauthenticated' | 'wrong-credentials' | 'denied' | 'other';

export class EtcdFailure extends Error {
  override readonly name = 'EtcdFailure';
  readonly kind: EtcdFailureKind;
  /** 'other' unless `kind` is refused. */
  readonly refusal: EtcdRefusal;

  constructor(kind: EtcdFailureKind, message: string, refusal: EtcdRefusal = 'other') {
    super(message);
    this.kind = kind;
    this.refusal = refusal;
  }
}

export interface EtcdCall<Reply> {
  /** Rejects with an EtcdFailure and nothing else. */
  readonly reply: Promise<Reply>;
  /** Gives it up: `reply` rejects as not-sent or no-answer, whichever is true. Safe after the reply. */
  cancel(): void;
}

export interface EtcdWatchRequest extends EtcdKeys {
  /** The first revision whose changes are told. */
  readonly startRevision: number;
}

export interface EtcdEvent {
  readonly key: string;
  readonly modRevision: number;
  /** Undefined when the key was removed. */
  readonly entry: EtcdKeyValue | undefined;
}

export interface EtcdWatchEvents {
  onCreated(): void;
  /** Changes in order; all changes of one revision come in one call. Empty: everything up to `revision` was told. */
  onEvents(revision: number, events: readonly EtcdEvent[]): void;
  /** Once; nothing comes after it. 'compacted': the changes from `startRevision` on are not all there any more. */
  onEnd(failure: EtcdFailure): void;
}

export interface EtcdStream {
  /** No event after this, onEnd included. */
  cancel(): void;
}

/** One member of the etcd cluster, as one client reaches it. */
export interface EtcdEndpoint {
  /** `host:port`, for people. */
  readonly name: string;
  call<M extends EtcdMethod>(
    method: M,
    request: EtcdMethods[M]['request'],
    token: string | undefined,
  ): EtcdCall<EtcdMethods[M]['reply']>;
  watch(request: EtcdWatchRequest, token: string | undefined, events: EtcdWatchEvents): EtcdStream;
  close(): void;
}

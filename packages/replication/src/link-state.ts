/**
 * The replica's side of a link as a pure state machine: what to send, what an answer means, when to try again.
 * Kvrocks `src/cluster/replication.cc` (ReplicationThread's callback steps); docs/formats/replication-stream.md.
 *
 *   stopped -> connecting -> authenticating? -> checking-name -> announcing -> offering -> attaching? -> requesting -> streaming
 *                  ^                                                                        \              \-> full-syncing -> connecting
 *                  |                                                                         +-> rewinding -> connecting | full-syncing
 *                  +---- waiting <---- (any failure)
 *
 * An armed replica attaches (CLUSTERX ATTACH, fencing's attach.ts) before it asks for the stream: master and replica must
 * be in one epoch, and a replica that holds entries the master's history lacks rewinds to the last common one first.
 *
 * Times between attempts:
 * - after a lost or failed connection 1, 2, 4 ... at most 60 s (as the newest Kvrocks), beginning anew after a granted
 *   PSYNC or a full sync;
 * - 10 s when the peer answers but does not fit (password, database name, garbage in the stream);
 * - a peer that the topology names as master was put there by a controller and is about to be there: in the first 10 s
 *   of trouble it is tried every 100 .. 500 ms, also while it is loading.
 *
 * Different from Kvrocks on purpose: only a refusal that speaks about the log (`-ERR ...`) leads to a full sync. Other
 * refusals of PSYNC (NOAUTH, CLUSTERDOWN, MASTERDOWN ...) say that this peer serves nobody now, and are tried again.
 */
import { formatAttachArguments, parseAttachReply, type AttachRequest, type LogEnd } from '@holdfast/fencing';
import type { CommandArgument } from '@holdfast/resp';

/** What does not change during the life of a link. */
export interface LinkSettings {
  /** `masterauth`; undefined when none is set. */
  readonly password: string | undefined;
  /** `db-name`: the master must have the same. */
  readonly databaseName: string;
  /** The port told to the master: `replica-announce-port`, else `port`. */
  readonly announcedPort: number;
  /** `replica-announce-ip`. */
  readonly announcedHost: string | undefined;
  /** The topology names the peer as master. */
  readonly topologyMaster: boolean;
}

export type LinkPhase =
  | { readonly kind: 'stopped' }
  | { readonly kind: 'waiting'; readonly reason: string }
  | { readonly kind: 'connecting' }
  | { readonly kind: 'authenticating' }
  | { readonly kind: 'checking-name' }
  | { readonly kind: 'announcing'; readonly withHost: boolean }
  | { readonly kind: 'offering' }
  | { readonly kind: 'attaching' }
  | { readonly kind: 'rewinding' }
  | { readonly kind: 'requesting'; readonly withId: boolean }
  | { readonly kind: 'streaming' }
  | { readonly kind: 'full-syncing' };

export interface LinkState {
  readonly phase: LinkPhase;
  /** Failures since the last success, for the back-off. */
  readonly failures: number;
  /** When the first of them was; undefined while there is none. */
  readonly troubleSinceMs: number | undefined;
  /** The peer is Holdfast: it wants an ack after every turn in which something was applied. */
  readonly acksPromptly: boolean;
}

export type LinkEvent =
  | { readonly kind: 'start' }
  | { readonly kind: 'connected' }
  /** One line of the handshake, without CRLF. `position` says where the own log stands, for PSYNC. */
  | { readonly kind: 'line'; readonly text: string; readonly position: LogPosition }
  /** Connecting failed, or the link was closed or fell silent. */
  | { readonly kind: 'lost'; readonly reason: string }
  /** What came cannot be used: garbage, a batch that does not follow, a failed write. */
  | { readonly kind: 'broken'; readonly reason: string }
  | { readonly kind: 'retry-due' }
  | { readonly kind: 'full-sync-done' }
  | { readonly kind: 'rewind-done'; readonly outcome: RewindOutcome }
  | { readonly kind: 'rewind-failed'; readonly reason: string }
  | { readonly kind: 'full-sync-failed'; readonly reason: string }
  | { readonly kind: 'stop' };

/** `full-sync`: it could not be done, the whole database is to be replaced. */
export type RewindOutcome = 'rewound' | 'full-sync';

export interface LogPosition {
  readonly nextSequence: number;
  /** Of the last entry, when replication ids are in use. */
  readonly replicationId: string | undefined;
  /** What an armed replica says of itself and its log; undefined on a node that is not armed. */
  readonly attach: AttachRequest | undefined;
}

export type LinkEffect =
  | { readonly kind: 'connect' }
  | { readonly kind: 'send'; readonly command: readonly CommandArgument[] }
  | { readonly kind: 'close' }
  | { readonly kind: 'stream' }
  | { readonly kind: 'full-sync' }
  /** Takes back everything after `target`; undefined: nobody knows the last common entry, all is kept aside. */
  | { readonly kind: 'rewind'; readonly target: LogEnd | undefined }
  | { readonly kind: 'wait'; readonly delayMs: number; readonly reason: string };

export interface LinkStep {
  readonly state: LinkState;
  /** To be performed in order. */
  readonly effects: readonly LinkEffect[];
}

/** What a replica of ours offers in REPLCONF; a master that accepts it gets an ack after every applied turn. */
export const promptAckCapability = 'holdfast-ack';

const misfitDelayMs = 10_000;
const backOffMsMax = 60_000;
const eagerWindowMs = 10_000;
const eagerDelayMs = 100;
const eagerDelayMsMax = 500;
const loadingReply = '-LOADING kvrocks is restoring the db from backup';

export const stoppedLink: LinkState = {
  phase: { kind: 'stopped' },
  failures: 0,
  troubleSinceMs: undefined,
  acksPromptly: false,
};

/** One transition. Pure: the caller performs `effects` in order. `nowMs` is the lease clock. */
export function stepLink(settings: LinkSettings, state: LinkState, event: LinkEvent, nowMs: number): LinkStep {
  if (event.kind === 'stop') return { state: stoppedLink, effects: [{ kind: 'close' }] };
  if (event.kind === 'start') return state.phase.kind === 'stopped' ? connect(stoppedLink) : { state, effects: [] };
  if (state.phase.kind === 'stopped') return { state, effects: [] };
  switch (event.kind) {
    case 'connected':
      return greet(settings, state);
    case 'line':
      return answered(settings, state, event, nowMs);
    case 'lost':
      return fail(settings, state, { reason: event.reason, nowMs, delayMs: backOffMs(state.failures) });
    case 'broken':
      return misfit(settings, state, event.reason, nowMs);
    case 'retry-due':
      return state.phase.kind === 'waiting' ? connect(state) : { state, effects: [] };
    case 'full-sync-done':
    case 'full-sync-failed':
    case 'rewind-done':
    case 'rewind-failed':
      return exchanged(settings, state, event, nowMs);
    default:
      return event satisfies never;
  }
}

type Exchanged = Extract<LinkEvent, { readonly kind: `${'full-sync' | 'rewind'}-${'done' | 'failed'}` }>;

function exchanged(settings: LinkSettings, state: LinkState, event: Exchanged, nowMs: number): LinkStep {
  if (event.kind === 'full-sync-failed' || event.kind === 'rewind-failed')
    return fail(settings, state, { reason: event.reason, nowMs, delayMs: backOffMs(state.failures), never: 'eager' });
  if (event.kind === 'rewind-done' && event.outcome === 'full-sync') return fullSync(state);
  return connect({ ...state, failures: 0, troubleSinceMs: undefined });
}

function connect(state: LinkState): LinkStep {
  return { state: { ...state, phase: { kind: 'connecting' }, acksPromptly: false }, effects: [{ kind: 'connect' }] };
}

function go(state: LinkState, phase: LinkPhase, ...command: CommandArgument[]): LinkStep {
  return { state: { ...state, phase }, effects: [{ kind: 'send', command }] };
}

function greet(settings: LinkSettings, state: LinkState): LinkStep {
  if (settings.password === undefined) return go(state, { kind: 'checking-name' }, '_db_name');
  return go(state, { kind: 'authenticating' }, 'AUTH', settings.password);
}

type Answer = LinkEvent & { readonly kind: 'line' };

function answered(settings: LinkSettings, state: LinkState, event: Answer, nowMs: number): LinkStep {
  const { text } = event;
  switch (state.phase.kind) {
    case 'authenticating':
      if (text === '+OK') return go(state, { kind: 'checking-name' }, '_db_name');
      return misfit(settings, state, `AUTH: ${text}`, nowMs);
    case 'checking-name':
      return named(settings, state, text, nowMs);
    case 'announcing':
      if (text.startsWith('-LOADING')) return loading(settings, state, nowMs);
      if (state.phase.withHost && text === '-ERR unknown option') return announce(settings, state, false);
      return go(state, { kind: 'offering' }, 'replconf', 'capa', promptAckCapability);
    case 'offering':
      return attach({ ...state, acksPromptly: text === '+OK' }, event.position);
    case 'attaching':
      return attached(settings, state, event, nowMs);
    case 'requesting':
      return granted(settings, state, event, nowMs);
    default:
      return { state, effects: [] };
  }
}

function named(settings: LinkSettings, state: LinkState, text: string, nowMs: number): LinkStep {
  if (text.startsWith('-LOADING')) return loading(settings, state, nowMs);
  if (text === settings.databaseName) return announce(settings, state, settings.announcedHost !== undefined);
  const reason = `the master's database name is ${JSON.stringify(text)}, ours is ${settings.databaseName}`;
  return misfit(settings, state, reason, nowMs);
}

function announce(settings: LinkSettings, state: LinkState, withHost: boolean): LinkStep {
  const port = settings.announcedPort;
  const host = withHost ? ['ip-address', settings.announcedHost ?? ''] : [];
  return go(state, { kind: 'announcing', withHost }, 'replconf', 'listening-port', port, ...host);
}

function attach(state: LinkState, position: LogPosition): LinkStep {
  if (position.attach === undefined) return request(state, position, true);
  return go(state, { kind: 'attaching' }, 'CLUSTERX', 'ATTACH', ...formatAttachArguments(position.attach));
}

function attached(settings: LinkSettings, state: LinkState, { text, position }: Answer, nowMs: number): LinkStep {
  if (text.startsWith('-LOADING')) return loading(settings, state, nowMs);
  const reply = parseAttachReply(text);
  switch (reply.kind) {
    case 'common': {
      const latestSequence = position.nextSequence - 1;
      // Without the replication id: the comparison by epochs says more, and a master that was restarted knows only the
      // newest ids, so it would refuse a replica that is merely behind.
      if (reply.common.sequence === latestSequence) return request(state, position, false);
      if (reply.common.sequence > latestSequence)
        return misfit(settings, state, `ATTACH: ${text}, but only ${latestSequence} is here`, nowMs);
      return rewind(state, reply.common);
    }
    case 'full-sync':
      return rewind(state, undefined);
    case 'not-armed':
      return fail(settings, state, { reason: 'ATTACH: the master is not armed', nowMs, delayMs: backOffMs(0) });
    case 'refused':
      return fail(settings, state, { reason: `ATTACH: ${reply.error}`, nowMs, delayMs: backOffMs(0) });
    default:
      return reply satisfies never;
  }
}

function rewind(state: LinkState, target: LogEnd | undefined): LinkStep {
  return {
    state: { ...state, phase: { kind: 'rewinding' } },
    effects: [{ kind: 'close' }, { kind: 'rewind', target }],
  };
}

function fullSync(state: LinkState): LinkStep {
  return {
    state: { ...state, phase: { kind: 'full-syncing' } },
    effects: [{ kind: 'close' }, { kind: 'full-sync' }],
  };
}

function request(state: LinkState, position: LogPosition, idWanted: boolean): LinkStep {
  const { nextSequence, replicationId } = position;
  if (!idWanted || replicationId === undefined)
    return go(state, { kind: 'requesting', withId: false }, 'PSYNC', nextSequence);
  return go(state, { kind: 'requesting', withId: true }, 'PSYNC', replicationId, nextSequence);
}

function granted(settings: LinkSettings, state: LinkState, event: Answer, nowMs: number): LinkStep {
  const { text } = event;
  if (text === '+OK')
    return {
      state: { ...state, phase: { kind: 'streaming' }, failures: 0, troubleSinceMs: undefined },
      effects: [{ kind: 'stream' }],
    };
  if (text === loadingReply) return loading(settings, state, nowMs);
  const withId = state.phase.kind === 'requesting' && state.phase.withId;
  if (withId && text === '-ERR wrong number of arguments') return request(state, event.position, false);
  if (text.startsWith('-ERR ')) return fullSync(state);
  return fail(settings, state, { reason: `PSYNC: ${text}`, nowMs, delayMs: misfitDelayMs });
}

function misfit(settings: LinkSettings, state: LinkState, reason: string, nowMs: number): LinkStep {
  return fail(settings, state, { reason, nowMs, delayMs: misfitDelayMs, never: 'eager' });
}

function loading(settings: LinkSettings, state: LinkState, nowMs: number): LinkStep {
  return fail(settings, state, { reason: 'the master is loading', nowMs, delayMs: misfitDelayMs });
}

function backOffMs(failures: number): number {
  return Math.min(1000 * 2 ** Math.min(failures, 6), backOffMsMax);
}

interface Failure {
  readonly reason: string;
  readonly nowMs: number;
  readonly delayMs: number;
  readonly never?: 'eager';
}

function fail(settings: LinkSettings, state: LinkState, { reason, nowMs, delayMs, never }: Failure): LinkStep {
  const troubleSinceMs = state.troubleSinceMs ?? nowMs;
  const eager = settings.topologyMaster && never === undefined && nowMs - troubleSinceMs < eagerWindowMs;
  const eagerMs = Math.min(eagerDelayMs * 2 ** Math.min(state.failures, 6), eagerDelayMsMax);
  return {
    state: {
      phase: { kind: 'waiting', reason },
      failures: state.failures + 1,
      troubleSinceMs,
      acksPromptly: false,
    },
    effects: [{ kind: 'close' }, { kind: 'wait', delayMs: eager ? eagerMs : delayMs, reason }],
  };
}

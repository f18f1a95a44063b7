/**
 * Keyspace notifications (redis.io/docs/manual/keyspace-notifications): a command says what it did to a key with the event's
 * name of Redis. Nobody listens most of the time, so `Call.events` is undefined then and saying costs one comparison.
 */
import type { Namespace, Span } from '@holdfast/engine';
import type { Request } from '@holdfast/resp';
import type { Call, CommandDefinition } from './command.ts';

/** The class of an event, as in `notify-keyspace-events`. */
export type EventClass = 'g' | '$' | 'l' | 's' | 'h' | 'z' | 't' | 'd' | 'x' | 'n' | 'm';

export interface KeyEvents {
  /** `key` may be a view: it is copied when somebody listens. */
  emit(kind: EventClass, name: string, namespace: Namespace, key: Span): void;
  /**
   * A command is about to run: what must be known of its keys before it changes them (new keys), or is known then already
   * (misses), is looked at now.
   */
  begins?(call: Call, definition: CommandDefinition, request: Request): void;
}

/** Says that the running command did `name` to `key`. To be called after its effects, once for each event of Redis. */
export function notify(call: Call, kind: EventClass, name: string, key: Span): void {
  call.events?.emit(kind, name, call.namespace, key);
}

/** A key was given the time `expireMs` to die; Redis deletes it at once when that has passed, and says so instead. */
export function notifyExpire(call: Call, key: Span, expireMs: number): void {
  notify(call, 'g', expireMs <= call.nowMs ? 'del' : 'expire', key);
}

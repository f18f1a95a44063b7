/**
 * Confirmations of subscribing and unsubscribing: three elements, one confirmation per channel, so one command may get
 * several. In RESP3 they are pushes. CLIENT REPLY OFF and SKIP silence replies but not these, as in Redis.
 */
import { ReplyWriter } from '@holdfast/resp';
import type { Call } from '../command.ts';
import type { PubSubPort, SubscriptionKind } from './port.ts';

export interface Confirmation {
  /** Of the command: `subscribe`, `punsubscribe`. */
  readonly verb: string;
  readonly kind: SubscriptionKind;
  /** Undefined when there was nothing to unsubscribe from. */
  readonly name: string | undefined;
}

/** Writes one confirmation, with the number of subscriptions there are now. */
export function confirm(port: PubSubPort, call: Call, confirmation: Confirmation, reply: ReplyWriter): void {
  const { session } = call;
  const count = port.countOf(session, confirmation.kind);
  if (session.replyMode === 'on') {
    write(confirmation, count, reply);
    return;
  }
  const own = new ReplyWriter();
  own.protocol = session.protocol;
  write(confirmation, count, own);
  port.push(session, own.take());
}

function write({ verb, name }: Confirmation, count: number, reply: ReplyWriter): void {
  reply.push(3);
  reply.bulkLatin1(verb);
  if (name === undefined) reply.nil();
  else reply.bulkLatin1(name);
  reply.integer(count);
}

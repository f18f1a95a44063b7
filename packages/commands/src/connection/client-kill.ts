/** CLIENT KILL: `addr:port`, or filters that must all hold. */
import type { Request } from '@holdfast/resp';
import { Refusal, errors } from '../command.ts';
import { onlyUser } from './authentication.ts';
import type { ClientFacts } from './port.ts';

export type KillInput =
  | { readonly kind: 'address'; readonly address: string }
  | {
      readonly kind: 'filters';
      readonly filters: readonly ((client: ClientFacts) => boolean)[];
      readonly skipMe: boolean;
      /** Set when links of replication are meant, and nothing else narrows them down. */
      readonly linkType: 'master' | 'replica' | undefined;
    };

/** Types of clients that exist here as connections that can be listed and killed. */
export const clientTypes = ['normal', 'master', 'replica', 'slave', 'pubsub'] as const;

/** Links of replication are no clients: what is listed is a subscriber or of type `normal`. */
export function hasType(client: ClientFacts, type: string): boolean {
  return type === (client.subscriptions > 0 ? 'pubsub' : 'normal');
}

export function parseKill(request: Request): KillInput | Refusal {
  if (request.count === 3) return { kind: 'address', address: request.latin1(2) };
  if (request.count % 2 !== 0) return new Refusal(errors.syntax);
  const filters: ((client: ClientFacts) => boolean)[] = [];
  let skipMe = true;
  let linkType: 'master' | 'replica' | undefined;
  for (let i = 2; i < request.count; i += 2) {
    const value = request.latin1(i + 1);
    if (request.is(i, 'skipme')) {
      if (!request.is(i + 1, 'yes') && !request.is(i + 1, 'no')) return new Refusal(errors.syntax);
      skipMe = request.is(i + 1, 'yes');
      continue;
    }
    const filter = parseFilter(request, i, value);
    if (filter instanceof Refusal) return filter;
    filters.push(filter);
    if (request.is(i, 'type')) linkType = linkTypeOf(value.toLowerCase());
  }
  return { kind: 'filters', filters, skipMe, linkType: filters.length === 1 ? linkType : undefined };
}

function linkTypeOf(type: string): 'master' | 'replica' | undefined {
  if (type === 'master') return 'master';
  return type === 'replica' || type === 'slave' ? 'replica' : undefined;
}

function parseFilter(request: Request, at: number, value: string): ((client: ClientFacts) => boolean) | Refusal {
  if (request.is(at, 'addr')) return (client) => client.peer === value;
  if (request.is(at, 'laddr')) return (client) => client.local === value;
  if (request.is(at, 'user')) {
    return value === onlyUser ? (): boolean => true : new Refusal(`ERR No such user '${value.slice(0, 64)}'`);
  }
  if (request.is(at, 'id')) {
    const id = request.integer(at + 1);
    return id > 0 ? (client): boolean => client.id === id : new Refusal('ERR client-id should be greater than 0');
  }
  if (request.is(at, 'type')) {
    const type = value.toLowerCase();
    const known = clientTypes.some((one) => one === type);
    return known
      ? (client): boolean => hasType(client, type)
      : new Refusal(`ERR Unknown client type '${value.slice(0, 64)}'`);
  }
  return new Refusal(errors.syntax);
}

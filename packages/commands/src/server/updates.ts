/**
 * POLLUPDATES and APPLYBATCH: the log as raw write batches, out and in. Texts are Kvrocks' (commands/cmd_server.cc,
 * cmd_replication.cc).
 */
import type { Namespace } from '@holdfast/engine';
import type { Request } from '@holdfast/resp';
import { Refusal, define, errors, noKeys, type CommandDefinition } from '../command.ts';

export interface UpdatesRequest {
  /** The sequence the caller has. */
  readonly sequence: number;
  /** Batches returned at most. */
  readonly max: number;
  /** The batch must begin right behind `sequence`; otherwise the one that contains what follows will do. */
  readonly strict: boolean;
}

export interface Updates {
  readonly latestSequence: number;
  /** The sequence to ask from next time. */
  readonly nextSequence: number;
  readonly batches: readonly Buffer[];
}

export interface UpdatesPort {
  /** Reads batches of the log; answers once, an error line when that is impossible. */
  poll(request: UpdatesRequest, answer: (updates: Updates | string) => void): void;
  /**
   * Writes the records of a batch into the open tick.
   * @returns an error line when it may not be written; then nothing was.
   */
  apply(batch: Buffer, namespace: Namespace): string | undefined;
}

const maxUpdates = 1000;
const defaultUpdates = 16;

function parsePoll(request: Request): UpdatesRequest | Refusal {
  const sequence = request.integer(1);
  if (Number.isNaN(sequence) || sequence < 0) return new Refusal(errors.notInteger);
  let max = defaultUpdates;
  let strict = false;
  for (let i = 2; i < request.count; i++) {
    if (request.is(i, 'strict')) strict = true;
    else if (i + 1 >= request.count) return new Refusal(errors.syntax);
    else if (request.is(i, 'max')) {
      max = request.integer(++i);
      if (Number.isNaN(max)) return new Refusal(errors.notInteger);
      if (max < 1 || max > maxUpdates) return new Refusal('ERR out of numeric range');
    } else if (request.is(i, 'format')) {
      if (!request.is(++i, 'raw')) return new Refusal('ERR invalid FORMAT option, only support RAW');
    } else return new Refusal(errors.syntax);
  }
  return { sequence, max, strict };
}

function pollupdates(port: UpdatesPort): CommandDefinition {
  return define<UpdatesRequest>({
    name: 'pollupdates',
    arity: -2,
    flags: ['admin', 'no-script', 'no-multi'],
    keys: noKeys,
    group: 'server',
    since: 'Kvrocks 2.8.0',
    complexity: 'O(bytes returned)',
    summary: 'Write batches of the log behind a sequence, in hexadecimal digits; MAX of them, STRICT, FORMAT RAW.',
    parse: parsePoll,
    run: ({ session }, input) => {
      const deferred = session.defer();
      port.poll(input, (updates) =>
        deferred.complete((reply) => {
          if (typeof updates === 'string') {
            reply.error(updates);
            return;
          }
          reply.map(3);
          reply.bulkText('latest_sequence');
          reply.integer(updates.latestSequence);
          reply.bulkText('updates');
          reply.array(updates.batches.length);
          for (const batch of updates.batches) reply.bulkLatin1(batch.toString('hex').toUpperCase());
          reply.bulkText('next_sequence');
          reply.integer(updates.nextSequence);
        }),
      );
    },
  });
}

function applybatch(port: UpdatesPort): CommandDefinition {
  return define<Buffer>({
    name: 'applybatch',
    arity: -2,
    flags: ['write', 'admin', 'no-script', 'no-multi'],
    keys: noKeys,
    group: 'server',
    since: 'Kvrocks 2.9.0',
    complexity: 'O(size of the batch)',
    summary: 'Writes the records of a write batch, which must be of keys; LOWPRI is accepted.',
    parse: (request) => {
      if (request.count > 3 || (request.count === 3 && !request.is(2, 'lowpri'))) return new Refusal(errors.syntax);
      return request.bytes(1);
    },
    run: ({ namespace }, batch, reply) => {
      const refusal = port.apply(batch, namespace);
      if (refusal === undefined) reply.integer(batch.length);
      else reply.error(refusal);
    },
  });
}

export function updatesCommands(port: UpdatesPort): CommandDefinition[] {
  return [pollupdates(port), applybatch(port)];
}

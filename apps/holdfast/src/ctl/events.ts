/** `ctl events`: what the controller decided, oldest first. JSON output is one object per line, so that it can follow. */
import { setTimeout as pause } from 'node:timers/promises';
import { OperationError } from '@holdfast/base';
import type { ClusterEvent } from '../controller-client.ts';
import { jsonVersion, type CtlContext } from './context.ts';

const followEveryMs = 500;

export interface EventsOptions {
  readonly after: number;
  /** Of those there are, only the newest so many. */
  readonly limit: number;
  readonly follow: boolean;
}

export async function showEvents(context: CtlContext, { after, limit, follow }: EventsOptions): Promise<void> {
  const { client, output, write, note } = context;
  const show = (events: readonly ClusterEvent[]): void => {
    for (const event of events)
      write(output === 'json' ? JSON.stringify({ version: jsonVersion, ...event }) : formatEvent(event));
  };
  const first = (await client.allEvents(after)).slice(-limit);
  show(first);
  if (first.length === 0) note('no events');
  let last = first.at(-1)?.id ?? after;
  let isReachable = true;
  while (follow) {
    await pause(followEveryMs);
    try {
      const events = await client.allEvents(last);
      if (!isReachable) note('the controller answers again');
      isReachable = true;
      show(events);
      last = events.at(-1)?.id ?? last;
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      if (isReachable) note(`${error.message}; trying on`);
      isReachable = false;
    }
  }
}

/**
 * `<time>  shard <n> epoch <e>  <kind>  <message>  [timings]`. Timings accumulate over the events of one change; its
 * last event has them all.
 */
export function formatEvent({ at, shard, epoch, kind, message, timings }: ClusterEvent): string {
  const where = [shard === null ? '' : `shard ${shard}`, epoch === null ? '' : `epoch ${epoch}`].join(' ').trim();
  const said = shard === null ? message : message.replace(`shard ${shard}: `, '');
  const line = `${at}  ${where.padEnd(16)}  ${kind.padEnd(18)}  ${said}`;
  if (!kind.endsWith('-done') || timings === undefined) return line;
  const times = Object.entries(timings).map(
    ([name, ms]) => `${name.replace(/_ms$/, '').replaceAll('_', ' ')} ${ms} ms`,
  );
  return times.length === 0 ? line : `${line}  [${times.join(', ')}]`;
}

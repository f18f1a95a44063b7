/**
 * A client program that can be told to be wrong: the harness must call the good one good and name what each bad one does.
 * The fault is the first argument.
 */
import { realTimers, tcpConnector } from '@holdfast/base/real';
import { ReplyError, RespClient, textOf } from '@holdfast/resp';
import { endpointOf, play } from '../../../../../../drills/clients/node/lanes.ts';

export type ClientFault =
  | 'none'
  /** Calls writes acknowledged that it never sent. */
  | 'loses'
  /** After the loss of its connection nothing is ever answered again. */
  | 'hangs'
  /** The process ends at the loss of its connection. */
  | 'ends'
  /** Prints what is no line of the protocol. */
  | 'babbles'
  /** Never connects. */
  | 'waits';

const fault = process.argv[2] as ClientFault;
const settings = { timers: realTimers, connectTimeoutMs: 1000, commandTimeoutMs: 5000 };
const never = new Promise<never>(() => undefined);

await play({ library: 'fake', version: '1' }, async ({ masters }) => {
  if (fault === 'waits') await never;
  const endpoint = endpointOf(masters[0] ?? '');
  let connection: Promise<RespClient> | undefined;
  let lost = 0;
  let writes = 0;
  const command = async (...args: string[]): Promise<string | null> => {
    for (;;) {
      try {
        connection ??= RespClient.connect(tcpConnector, endpoint, settings);
        const reply = await (await connection).command(...args);
        if (reply instanceof ReplyError) throw reply;
        return reply === null ? null : (textOf(reply) ?? null);
      } catch (error) {
        if (error instanceof ReplyError && !error.message.startsWith('READONLY')) throw error;
        connection = undefined;
        const isFirst = ++lost === 1;
        if (fault === 'hangs') await never;
        if (fault === 'ends') process.exit(9);
        await new Promise((resolve) => setTimeout(resolve, 10));
        // One of the commands of the lost connection is shown, the others are tried again.
        if (isFirst) throw error;
      }
    }
  };
  return {
    set: async (key, value) => {
      writes++;
      if (fault === 'babbles' && writes === 20) process.stdout.write('{"end":"what?"}\n');
      if (fault === 'loses' && writes % 7 === 0) return;
      await command('SET', key, value);
    },
    get: (key) => command('GET', key),
  };
});

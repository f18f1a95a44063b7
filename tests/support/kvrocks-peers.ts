/**
 * Two servers that are to be told apart by nothing: ours and a real Kvrocks, started alike, and what is written to them.
 */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { Generator } from '../model/generator.ts';
import { kinds } from '../model/families.ts';
import { restartIds } from '../model/streams.ts';
import { randomUnit, requestsOf } from '../model/unit.ts';
import { Wire } from '../model/wire.ts';
import { everyWrite } from './every-write.ts';
import { startKvrocks } from './kvrocks-server.ts';
import { startNode, until } from './node-process.ts';

export interface Server {
  readonly name: string;
  readonly port: number;
  stop(): Promise<void>;
}

export interface ServerOptions {
  readonly dir: string;
  readonly args: readonly string[];
}

export type Start = (t: TestContext, options: ServerOptions) => Promise<Server>;

export const holdfast: Start = async (t, options) => {
  const node = await startNode(t, options);
  const stop = async (): Promise<void> => {
    node.signal('SIGTERM');
    assert.equal(await node.exited(), 0, node.output());
  };
  return { name: 'Holdfast', port: node.port, stop };
};

export const kvrocks: Start = async (t, options) => ({ name: 'Kvrocks', ...(await startKvrocks(t, options)) });

export async function wireTo(t: TestContext, server: Server): Promise<Wire> {
  const wire = await Wire.connect(server.port);
  t.after(() => wire.close());
  return wire;
}

export async function info(wire: Wire, section: string): Promise<ReadonlyMap<string, string>> {
  const text = await wire.ask('INFO', section);
  return new Map(
    text.split('\r\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
  );
}

/** It takes the stream's entries away too in Kvrocks 2.10. */
function isDestroy([name = '', sub = '']: readonly string[]): boolean {
  return name === 'XGROUP' && sub === 'DESTROY';
}

/** What ends a Kvrocks 2.10: PFMERGE now and then, and adding to a Bloom filter that has come to a file on disk. */
function isUnbearable(command: readonly string[]): boolean {
  return isDestroy(command) || /^(PFMERGE|BF\.M?ADD)$/.test(command[0] ?? '');
}

/** One of everything; a server of either kind answers no error. */
export async function writeEverything(wire: Wire, { name }: Server): Promise<void> {
  const commands = everyWrite.filter((command) => name === 'Holdfast' || !isDestroy(command));
  wire.send(commands);
  const replies = await wire.replies(commands.length);
  commands.forEach((command, i) => {
    assert.ok(replies[i]?.startsWith('-') === false, `${command.join(' ').slice(0, 200)}: ${replies[i]}`);
  });
}

/** Shifts the seeds of all random commands, to try others than those of the test run. */
const firstSeed = Number(process.env['SEED'] ?? 0);

/**
 * Random commands of all types, some of them refused. Left out is what leaves nothing to compare, what a Kvrocks cannot bear,
 * and transactions on a Kvrocks: their commands do not see what those before them wrote, so that records contradict each other.
 */
export async function writeRandomly(wire: Wire, { name: server }: Server, seed: number, count: number): Promise<void> {
  restartIds();
  const g = new Generator(firstSeed + seed, kinds);
  for (let done = 0; done < count;) {
    const { kind, commands, fleeting } = randomUnit(g);
    if (fleeting === true || commands.some(([name = '']) => name.startsWith('FLUSH'))) continue;
    const isTransaction = kind === 'transaction' || kind === 'discarded';
    // Its reply to a script that calls ZMPOP breaks the framing.
    const isBroken = kind === 'script' && commands.some(([name]) => name === 'ZMPOP');
    if (server === 'Kvrocks' && (isTransaction || isBroken || commands.some(isUnbearable))) continue;
    const requests = requestsOf({ kind, commands });
    wire.send(requests);
    assert.equal((await wire.replies(requests.length)).length, requests.length, JSON.stringify(commands));
    done++;
  }
}

/** Waits until a replica is connected and has everything its master has. */
export async function untilCaughtUp(replica: Wire, master: Wire): Promise<void> {
  await until(
    async () => [await info(master, 'replication'), await info(replica, 'replication')] as const,
    ([of, at]) => at.get('master_link_status') === 'up' && at.get('slave_repl_offset') === of.get('master_repl_offset'),
  );
}

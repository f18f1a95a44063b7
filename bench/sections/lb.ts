/** What the way through a balancer costs: the same load on a node directly, through `holdfast lb` and through HAProxy. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts } from '@holdfast/base/testing';
import { fill } from '../filler.ts';
import { runLoad } from '../load-client.ts';
import { answersPing, cpuSecondsOf, until, type Companion, type RunningServer, type Stage } from '../stage.ts';
import type { Findings, Section, SectionContext } from '../section.ts';
import { holdfast, isInstalled, serverKind } from '../servers.ts';
import { valueOf } from '../workloads.ts';

/** A way from the client to the node. */
interface Way {
  readonly name: string;
  readonly port: number;
  /** The balancer on it. */
  readonly companion: Companion | undefined;
}

/** Debian keeps it where only root looks by itself. */
const haproxyCommands = ['haproxy', '/usr/sbin/haproxy'];
const startMs = 30_000;
const requests = 200_000;
const commands = [
  ['SET', 'key:__rand_int__'],
  ['GET', 'key:__rand_int__'],
] as const;

export const lb: Section = async (context, findings) => {
  const { stage, options, progress } = context;
  const node = await stage.start(serverKind('holdfast'));
  const client = await node.client();
  const value = valueOf(options.valueBytes[0] ?? 64);
  await fill(client, { kind: 'strings' }, { value, keyspace: options.keyspace, requests: 0 });
  client.close();
  const ways: Way[] = [{ name: 'direct', port: node.port, companion: undefined }, await embedded(stage, node)];
  const command = haproxyCommands.find((name) => isInstalled(name, ['-v']));
  if (command !== undefined) ways.push(await haproxy(stage, node, command));
  else findings.skip('HAProxy', 'haproxy is not installed');
  for (let round = 0; round < options.rounds; round++)
    for (const [i] of ways.entries()) {
      const way = ways[(i + round) % ways.length] as Way;
      progress.say(`lb: round ${round + 1}/${options.rounds} ${way.name}`);
      await measure(context, findings, way, value);
    }
  for (const { companion } of ways) companion?.child.kill('SIGKILL');
  await node.end();
};

async function measure(context: SectionContext, findings: Findings, way: Way, value: string): Promise<void> {
  const { stage, options } = context;
  const { clients, keyspace } = options;
  for (const [command, key] of commands) {
    for (const pipeline of [1, 16]) {
      const count = Math.max(1000, Math.round(requests * options.scale * (pipeline === 1 ? 0.5 : 2)));
      const line = command === 'SET' ? [command, key, value] : [command, key];
      const before = way.companion === undefined ? 0 : cpuSecondsOf(way.companion);
      const load = { port: way.port, command: line, pipeline, requests: count, clients, keyspace };
      const figures = await runLoad(stage, load);
      const name = `${command} P${pipeline}`;
      findings.add(`${name}, k/s`, way.name, 'k/s', figures.perSecond / 1000);
      findings.add(`${name}, p50`, way.name, 'ms', figures.p50Ms);
      findings.add(`${name}, p99`, way.name, 'ms', figures.p99Ms);
      if (way.companion !== undefined)
        findings.add(
          `${name}, CPU of the balancer`,
          way.name,
          'us',
          ((cpuSecondsOf(way.companion) - before) / count) * 1e6,
        );
    }
  }
}

async function embedded(stage: Stage, node: RunningServer): Promise<Way> {
  const dir = stage.directory('lb');
  const [port = 0, controlPort = 0] = await freePorts(2);
  const tokenFile = join(dir, 'token');
  const args = ['lb', '--dir', dir, '--control-port', String(controlPort), '--token-file', tokenFile];
  const companion = stage.run({ command: holdfast, args });
  const control = `http://127.0.0.1:${controlPort}/v1`;
  const isHealthy = async (): Promise<boolean> =>
    (await fetch(`${control}/health`).catch(() => undefined))?.ok === true;
  await until(`holdfast lb answers (${companion.words()})`, isHealthy, startMs);
  const binding = { address: `127.0.0.1:${port}`, backend: `127.0.0.1:${node.port}`, drainMs: 0 };
  const answer = await fetch(`${control}/bindings`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${readFileSync(tokenFile, 'utf8').trim()}`, 'content-type': 'application/json' },
    body: JSON.stringify({ revision: 1, bindings: [binding] }),
  });
  if (!answer.ok) throw new Error(`holdfast lb refused the binding: ${await answer.text()}`);
  await untilAnswers('embedded balancer', port, companion);
  return { name: 'embedded balancer', port, companion };
}

async function haproxy(stage: Stage, node: RunningServer, command: string): Promise<Way> {
  const file = join(stage.directory('haproxy'), 'haproxy.cfg');
  const [port = 0] = await freePorts(1);
  const times = ['connect 1s', 'client 1h', 'server 1h'].map((time) => ` timeout ${time}\n`).join('');
  const listen = `listen node\n bind 127.0.0.1:${port}\n server master 127.0.0.1:${node.port}\n`;
  writeFileSync(file, `defaults\n mode tcp\n${times}${listen}`);
  const companion = stage.run({ command, args: ['-db', '-f', file] });
  await untilAnswers('HAProxy', port, companion);
  return { name: 'HAProxy', port, companion };
}

async function untilAnswers(name: string, port: number, companion: Companion): Promise<void> {
  await until(`${name} leads to the node (${companion.words()})`, () => answersPing(port), startMs);
}

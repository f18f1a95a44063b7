/**
 * Client libraries over all families of commands, in RESP2 and RESP3: a fixed session each, against a node of its own, in
 * which what the library makes of the replies is compared with what is right. A library that is not here, and cannot be
 * made ready, is skipped with the reason.
 */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { familyPrograms } from '../apps/holdfast/src/drill/clients/client-list.ts';
import { prepare } from '../apps/holdfast/src/drill/clients/preparation.ts';
import { ioredisSession } from './families/ioredis-session.ts';
import { nodeRedisSession } from './families/node-redis-session.ts';
import { redisCliSession } from './families/redis-cli-session.ts';
import type { Session } from './families/session.ts';
import { ask } from './support/fenced-peers.ts';
import { startNode, until } from './support/node-process.ts';

const hasCli = spawnSync('redis-cli', ['--version']).status === 0;

const sessions: readonly (readonly [library: string, session: Session, skip: string | false])[] = [
  ['ioredis', ioredisSession, false],
  ['node-redis', nodeRedisSession, false],
  ['redis-cli', redisCliSession, hasCli ? false : 'redis-cli is not on the path'],
];

/** RESP3 has to be allowed; a node that does not speak it is asked for RESP2 as such. */
const ways: readonly (readonly [resp3Enabled: 'yes' | 'no', protocol: 2 | 3])[] = [
  ['yes', 2],
  ['yes', 3],
  ['no', 2],
];

/** Longer than any session takes on a busy machine, and than fetching what a program needs. */
const timeoutMs = 300_000;

describe('client libraries over all families', { timeout: timeoutMs }, () => {
  for (const [library, session, skip] of sessions)
    for (const [resp3Enabled, protocol] of ways)
      test(`${library} in RESP${protocol}, resp3-enabled ${resp3Enabled}`, { skip }, async (t) => {
        const node = await startNode(t, { args: ['--resp3-enabled', resp3Enabled] });
        const client = await node.client();
        await session({
          port: node.port,
          protocol,
          blockedClients: async (count) => {
            await until(
              () => ask(client, 'INFO', 'clients'),
              (info) => info.includes(`blocked_clients:${count}\r\n`),
            );
          },
        });
      });

  for (const program of familyPrograms)
    test(`${program.name} in RESP2 and RESP3`, async (t) => {
      const cacheRoot = join(import.meta.dirname, '..', '.cache', 'drill-clients');
      const progress = (line: string): void => t.diagnostic(line);
      const path = process.env['PATH'] ?? '';
      const prepared = await prepare(program, { cacheRoot, path, progress, signal: t.signal });
      if (prepared.kind === 'skipped') return t.skip(prepared.reason);
      assert.ok(prepared.cache !== null);
      const [command, ...args] = program.families(prepared.cache);
      for (const [resp3Enabled, protocol] of ways) {
        const node = await startNode(t, { args: ['--resp3-enabled', resp3Enabled] });
        const { stdout } = await promisify(execFile)(command, [
          ...args,
          '127.0.0.1',
          String(node.port),
          String(protocol),
        ]);
        assert.equal(stdout.trimEnd().split('\n').at(-1), 'scans', 'it went to its end');
      }
    });
});

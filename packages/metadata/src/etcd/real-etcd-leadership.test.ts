/** Leadership over real etcd: processes that are paused and killed, members that fail. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { describe, test, type TestContext } from 'node:test';
import { createInterface } from 'node:readline';
import { leaderKey, membersPrefix, type MetadataStore } from '../metadata-store.ts';
import { eventually, failure, newPrefix, openStore } from '../testing/etcd-fixture.ts';
import { etcdIsMissing, startEtcd } from '../testing/index.ts';

const skip = etcdIsMissing() ?? false;

/** Leads, says so with its term, then writes with its leadership whenever it is told a line. */
const candidate = `
  import { createInterface } from 'node:readline';
  import { writeSync } from 'node:fs';
  const [openUrl, baseUrl, realUrl, endpoint, prefix, name] = process.argv.slice(1);
  const { openEtcdStore } = await import(openUrl);
  const { silentLogger } = await import(baseUrl);
  const { realClock: clock, realTimers: timers } = await import(realUrl);
  const store = await openEtcdStore({
    endpoints: [endpoint], prefix, leaseTtlMs: 2000, requestTimeoutMs: 1000, clock, timers, logger: silentLogger,
  });
  const say = (line) => writeSync(1, line + '\\n');
  await store.announce(name, 'here');
  const leading = await store.campaign(name);
  leading.lost.addEventListener('abort', () => say('lost'));
  say('leads ' + leading.term);
  for await (const line of createInterface(process.stdin)) {
    // 'blind' leaves it to etcd: the store is not told that the leadership is over.
    const leadership = line === 'blind' ? { ...leading, term: leading.term, held: true, lost: leading.lost } : leading;
    const held = leading.held;
    await store.transact({ guards: [], puts: [{ key: '/by', value: name }], leadership }).then(
      (result) => say('wrote ' + result.ok),
      (error) => say('refused ' + error.code + ' ' + error.outcome + ' held ' + held),
    );
  }
`;

class Candidate {
  readonly child: ChildProcess;
  readonly lines: string[] = [];

  constructor(t: TestContext, endpoint: string, prefix: string, name: string) {
    const urls = ['./open-etcd-store.ts', '../../../base/src/index.ts', '../../../base/src/real/index.ts'];
    const modules = urls.map((url) => new URL(url, import.meta.url).href);
    const flags = ['--input-type=module', '-e', candidate, ...modules, endpoint, prefix, name];
    this.child = spawn(process.execPath, flags, { stdio: ['pipe', 'pipe', 'inherit'] });
    t.after(() => this.kill());
    const { stdout } = this.child;
    assert(stdout);
    createInterface(stdout).on('line', (line) => this.lines.push(line));
  }

  said(start: string): string | undefined {
    return this.lines.find((line) => line.startsWith(start));
  }

  async answer(line: string): Promise<string> {
    const before = this.lines.filter((each) => /^(wrote|refused)/.test(each)).length;
    this.child.stdin?.write(`${line}\n`);
    const answers = (): string[] => this.lines.filter((each) => /^(wrote|refused)/.test(each));
    await eventually('an answer', () => answers().length > before);
    return answers()[before] ?? '';
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
  }
}

describe('leadership over real etcd', { skip }, () => {
  test('a leader paused beyond its lease: another leads, and every later write of the first is refused', async (t) => {
    const [etcd] = await startEtcd(t);
    assert(etcd);
    const prefix = newPrefix();
    const paused = new Candidate(t, etcd.endpoint, prefix, 'paused');
    await eventually('the first leads', () => paused.said('leads') !== undefined);
    assert.equal(await paused.answer('write'), 'wrote true');
    const store = await openStore(t, [etcd], { prefix });
    paused.child.kill('SIGSTOP');
    const second = await store.campaign('second');
    const written = await store.transact({
      guards: [],
      puts: [{ key: '/by', value: 'second' }],
      leadership: second,
    });
    assert(written.ok);
    // What it is told while it stands still is what it does first when it goes on.
    paused.child.stdin?.write('blind\n');
    paused.child.kill('SIGCONT');
    const refused = 'refused METADATA_NOT_LEADER not-applied held false';
    await eventually('it is refused by etcd', () => paused.said('refused') !== undefined);
    assert.equal(paused.said('refused'), refused);
    assert.equal(await paused.answer('write'), refused);
    await eventually('it noticed', () => paused.said('lost') !== undefined);
    assert.deepEqual(await store.get('/by'), { key: '/by', value: 'second', revision: written.revision });
    assert(second.held);
    assert(second.term > Number(paused.said('leads')?.split(' ')[1]));
  });

  test('a leader that is killed is followed within its lease, and its announcement ends with it', async (t) => {
    const [etcd] = await startEtcd(t);
    assert(etcd);
    const prefix = newPrefix();
    const killed = new Candidate(t, etcd.endpoint, prefix, 'killed');
    await eventually('the first leads', () => killed.said('leads') !== undefined);
    const store = await openStore(t, [etcd], { prefix });
    assert.equal((await store.get(`${membersPrefix}killed`))?.value, 'here');
    const campaign = store.campaign('second');
    await killed.kill();
    const second = await campaign;
    assert.equal((await store.get(leaderKey))?.revision, second.term);
    await eventually('it is gone', async () => (await store.get(`${membersPrefix}killed`)) === undefined);
  });

  test('of many campaigners over real etcd one leads at a time', async (t) => {
    const [etcd] = await startEtcd(t);
    assert(etcd);
    const prefix = newPrefix();
    let leaders = 0;
    const terms: number[] = [];
    const one = async (store: MetadataStore, name: string): Promise<void> => {
      for (let round = 0; round < 3; round++) {
        const leading = await store.campaign(name);
        leaders++;
        assert.equal(leaders, 1);
        terms.push(leading.term);
        const current = await store.get('/n');
        const next = String(Number(current?.value ?? 0) + 1);
        // Unguarded but for the leadership: a second leader would lose a count.
        const puts = [{ key: '/n', value: next }];
        assert((await store.transact({ guards: [], puts, leadership: leading })).ok);
        leaders--;
        await leading.resign();
      }
    };
    const stores = await Promise.all([1, 2, 3].map(() => openStore(t, [etcd], { prefix })));
    await Promise.all(stores.map((store, index) => one(store, `c${index}`)));
    assert.equal((await stores[0]?.get('/n'))?.value, '9');
    assert.deepEqual(
      terms,
      [...terms].sort((a, b) => a - b),
    );
  });

  test('the loss of one etcd member of three is survived, of two is not believed', { timeout: 120_000 }, async (t) => {
    const members = await startEtcd(t, { count: 3 });
    const store = await openStore(t, members);
    const [asked, other, third] = members;
    assert(asked && other && third);
    const leading = await store.campaign('one');
    const seen: (string | undefined)[] = [];
    store.watch('/a', ({ entry }) => seen.push(entry?.value));
    // It hangs; what is sent to it is unknown, then the others are asked.
    asked.stop();
    let written = 0;
    await eventually('writes go on', async () => {
      const value = String(++written);
      const write = store.transact({ guards: [], puts: [{ key: '/a', value }], leadership: leading });
      return write.then(
        ({ ok }) => ok,
        () => false,
      );
    });
    await eventually('the watch goes on', () => seen.at(-1) === String(written));
    assert(leading.held, 'one member of three costs no leadership');
    other.stop();
    await eventually('the leadership is not believed for longer than its lease', () => !leading.held);
    await assert.rejects(store.get('/a'), failure('METADATA_READ_FAILED', 'not-applied'));
    const late = store.transact({ guards: [], puts: [{ key: '/a', value: 'late' }], leadership: leading });
    await assert.rejects(late, failure('METADATA_NOT_LEADER', 'not-applied'));
    asked.resume();
    other.resume();
    const again = await store.campaign('one');
    assert(again.term > leading.term);
  });
});

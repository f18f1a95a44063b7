import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { silentLogger } from '@holdfast/base';
import type { ProbedBackend } from '../driver.ts';
import { freePort } from '@holdfast/base/testing';
import { startBackend, startDeafBackend } from '../testing/sockets.ts';
import { BackendProber } from './backend-prober.ts';

const periodMs = 20;

function startProber(t: TestContext, options: { forgetAfterMs?: number; takesHeader?: boolean } = {}): BackendProber {
  const { forgetAfterMs = 60_000, takesHeader = false } = options;
  const prober = new BackendProber({ forgetAfterMs, logger: silentLogger, takesHeader: () => takesHeader });
  t.after(() => prober.close());
  return prober;
}

/** Asks until the report is as wanted; a test that never gets there runs into its time limit. */
async function until(
  prober: BackendProber,
  backend: string,
  holds: (report: ProbedBackend) => boolean,
): Promise<ProbedBackend> {
  for (;;) {
    const [report] = prober.probe({ backends: [backend], periodMs });
    assert.ok(report);
    if (holds(report)) return report;
    await pause(5);
  }
}

function answerWith(text: string): (socket: Socket) => void {
  return (socket) => socket.on('data', () => socket.write(text));
}

test('a backend that answers, with an error too, is reachable over one connection that is kept', async (t) => {
  for (const answer of ['+PONG\r\n', '-NOAUTH Authentication required.\r\n']) {
    const prober = startProber(t);
    const backend = await startBackend(t, answerWith(answer));
    const first = prober.probe({ backends: [backend.address], periodMs });
    assert.deepEqual(
      first.map(({ reachable, lastAnswerMsAgo }) => [reachable, lastAnswerMsAgo]),
      [[false, null]],
    );
    const ping = '*1\r\n$4\r\nPING\r\n';
    await until(prober, backend.address, () => backend.received().length >= 3 * ping.length);
    const report = await until(prober, backend.address, ({ reachable }) => reachable);
    assert.deepEqual([report.failures, report.error], [0, null]);
    assert.equal(backend.sockets.length, 1);
    assert.equal(backend.received().slice(0, ping.length), ping);
  }
});

test('a backend that accepts and says nothing is not reachable, and its silence is counted', async (t) => {
  const prober = startProber(t);
  const backend = await startBackend(t, (socket) => socket.on('data', () => undefined));
  const report = await until(prober, backend.address, ({ failures }) => failures >= 2);
  assert.deepEqual([report.reachable, report.lastAnswerMsAgo], [false, null]);
  assert.match(report.error ?? '', /no answer within 100 ms/);
  assert.ok(report.silentMs >= 200, `${report.silentMs}`);
  assert.ok(backend.sockets.length >= 2, 'asked again over a new connection');
});

test('a backend that refuses connections, or whose kernel does not take them, is not reachable', async (t) => {
  const prober = startProber(t);
  const refusing = `127.0.0.1:${await freePort()}`;
  const refused = await until(prober, refusing, ({ failures }) => failures >= 2);
  assert.match(refused.error ?? '', /ECONNREFUSED/);
  const deaf = await until(prober, await startDeafBackend(t), ({ failures }) => failures >= 2);
  assert.match(deaf.error ?? '', /no connection within 100 ms/);
});

test('a backend that was slow once is reachable as before', async (t) => {
  const prober = startProber(t);
  let asked = 0;
  const backend = await startBackend(t, (socket) =>
    socket.on('data', () => {
      if (++asked === 3) setTimeout(() => socket.write('+PONG\r\n'), 50);
      else socket.write('+PONG\r\n');
    }),
  );
  await until(prober, backend.address, () => asked > 5);
  const report = await until(prober, backend.address, ({ reachable }) => reachable);
  assert.deepEqual([report.failures, backend.sockets.length], [0, 1]);
});

test('a backend that falls silent and answers again is found so, and its silence begins anew', async (t) => {
  const prober = startProber(t);
  let isSilent = false;
  const backend = await startBackend(t, (socket) => socket.on('data', () => isSilent || socket.write('+PONG\r\n')));
  await until(prober, backend.address, ({ reachable }) => reachable);
  isSilent = true;
  const silent = await until(prober, backend.address, ({ silentMs }) => silentMs >= 300);
  assert.equal(silent.reachable, false);
  assert.ok(silent.failures >= 2 && (silent.lastAnswerMsAgo ?? 0) >= 300, JSON.stringify(silent));
  isSilent = false;
  const back = await until(prober, backend.address, ({ reachable }) => reachable);
  assert.ok(back.silentMs < silent.silentMs);
});

test('a balancer that stood still itself calls nobody silent', async (t) => {
  const prober = startProber(t);
  const backend = await startBackend(t, answerWith('+PONG\r\n'));
  await until(prober, backend.address, ({ reachable }) => reachable);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
  const [atOnce] = prober.probe({ backends: [backend.address], periodMs });
  assert.ok((atOnce?.silentMs ?? Infinity) < 500 && (atOnce?.lastAnswerMsAgo ?? 0) >= 1000, JSON.stringify(atOnce));
  await until(prober, backend.address, ({ lastAnswerMsAgo }) => (lastAnswerMsAgo ?? 1000) < 1000);
  assert.equal(backend.sockets.length, 1, 'the question under way was not given up');
});

test('a backend that nobody asks for any more is left alone', async (t) => {
  const prober = startProber(t, { forgetAfterMs: 50 });
  const backend = await startBackend(t, answerWith('+PONG\r\n'));
  await until(prober, backend.address, ({ reachable }) => reachable);
  const [socket] = backend.sockets;
  await new Promise<void>((resolve) => socket?.once('close', () => resolve()));
  assert.deepEqual(prober.reports, []);
});

test('where connections begin with a PROXY header, those of the balancer itself say that no client is behind them', async (t) => {
  const prober = startProber(t, { takesHeader: true });
  const backend = await startBackend(t, answerWith('+PONG\r\n'));
  await until(prober, backend.address, ({ reachable }) => reachable);
  const header = '\r\n\r\n\0\r\nQUIT\n\x20\0\0\0';
  assert.equal(backend.received().slice(0, header.length), header);
});

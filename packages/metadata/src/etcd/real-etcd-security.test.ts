/** TLS, users and permissions of real etcd. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { FatalError, type Logger } from '@holdfast/base';
import { eventually, failure, gateway, openStore } from '../testing/etcd-fixture.ts';
import { etcdIsMissing, startEtcd, type EtcdMember } from '../testing/index.ts';

const skip = etcdIsMissing() ?? false;

interface Certificates {
  readonly ca: string;
  readonly certFile: string;
  readonly keyFile: string;
  readonly directory: string;
}

/** An authority, and one certificate of it for 127.0.0.1 that serves both sides. */
function makeCertificates(t: TestContext): Certificates {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-etcd-tls-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const at = (name: string): string => join(directory, name);
  const openssl = (...flags: string[]): void => {
    const { status, stderr } = spawnSync('openssl', flags, { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  };
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const authority = ['-x509', '-days', '2', '-subj', '/CN=test authority'];
  openssl('req', ...authority, ...newKey, '-keyout', at('ca.key'), '-out', at('ca.pem'));
  openssl('req', '-subj', '/CN=member', ...newKey, '-keyout', at('own.key'), '-out', at('own.csr'));
  writeFileSync(at('ext'), 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n');
  const signed = ['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial', '-days', '2', '-extfile', at('ext')];
  openssl('x509', '-req', '-in', at('own.csr'), ...signed, '-out', at('own.pem'));
  return { directory, ca: at('ca.pem'), certFile: at('own.pem'), keyFile: at('own.key') };
}

class RecordingLogger implements Logger {
  readonly lines: string[] = [];
  readonly debug = (...line: unknown[]): void => void this.lines.push(JSON.stringify(line));
  readonly info: Logger['info'] = this.debug;
  readonly warn: Logger['warn'] = this.debug;
  readonly error: Logger['error'] = this.debug;
  child(): Logger {
    return this;
  }
}

const prefix = '/secured/one';
const password = 'correct-horse-battery';

/** Users: root, and `controller`, who may do everything below `prefix` and nothing else. */
async function enableAuthentication(etcd: EtcdMember): Promise<void> {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  await gateway(etcd, 'auth/user/add', { name: 'root', password: 'root-password' });
  await gateway(etcd, 'auth/user/grant', { user: 'root', role: 'root' }).catch(async () => {
    await gateway(etcd, 'auth/role/add', { name: 'root' });
    await gateway(etcd, 'auth/user/grant', { user: 'root', role: 'root' });
  });
  await gateway(etcd, 'auth/user/add', { name: 'controller', password });
  await gateway(etcd, 'auth/role/add', { name: 'holdfast' });
  const perm = { permType: 'READWRITE', key: base64(`${prefix}/`), range_end: base64(`${prefix}0`) };
  await gateway(etcd, 'auth/role/grant', { name: 'holdfast', perm });
  await gateway(etcd, 'auth/user/grant', { user: 'controller', role: 'holdfast' });
  await gateway(etcd, 'auth/enable', {});
}

function fatal(exitStatus: number, pattern: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert(error instanceof FatalError, String(error));
    assert.equal(error.exitStatus, exitStatus, error.message);
    assert.match(error.message, pattern);
    assert(!error.message.includes(password) && !error.message.includes('wrong-password'), error.message);
    return true;
  };
}

describe('security over real etcd', { skip }, () => {
  test('TLS: the authority is checked, and the own certificate shown', async (t) => {
    const { ca, certFile, keyFile, directory } = makeCertificates(t);
    const [etcd] = await startEtcd(t, { tls: { certFile, keyFile, clientCaFile: ca } });
    assert(etcd);
    const store = await openStore(t, [etcd], { tls: { caFile: ca, certFile, keyFile } });
    const seen: string[] = [];
    store.watch('/', ({ key }) => seen.push(key));
    const leading = await store.campaign('one');
    assert((await store.compareAndSet('/a', 'absent', '1', { leadership: leading })).ok);
    await eventually('the watch tells it', () => seen.includes('/a'));
    const distrusting = await openStore(t, [etcd], { tls: { certFile, keyFile } });
    await assert.rejects(distrusting.get('/a'), failure('METADATA_READ_FAILED', 'not-applied'));
    const write = distrusting.compareAndSet('/a', 'absent', '');
    await assert.rejects(write, failure('METADATA_WRITE_FAILED', 'not-applied'));
    const withoutCertificate = await openStore(t, [etcd], { tls: { caFile: ca } });
    await assert.rejects(withoutCertificate.get('/a'), failure('METADATA_READ_FAILED', 'not-applied'));
    const plain = await openStore(t, [etcd]);
    await assert.rejects(plain.get('/a'), failure('METADATA_READ_FAILED', 'not-applied'));
    const absent = join(directory, 'absent.pem');
    await assert.rejects(openStore(t, [etcd], { tls: { caFile: absent } }), fatal(3, /cannot read .*absent\.pem/));
  });

  test('users: what the role allows, everything on it; the password is nowhere to be read', async (t) => {
    const [etcd] = await startEtcd(t);
    assert(etcd);
    await enableAuthentication(etcd);
    const logger = new RecordingLogger();
    const credentials = { user: 'controller', password };
    const store = await openStore(t, [etcd], { prefix, credentials, logger });
    const seen: string[] = [];
    store.watch('/', ({ key }) => seen.push(key));
    await store.announce('c1', '');
    const leading = await store.campaign('one');
    assert((await store.compareAndSet('/a', 'absent', '1', { leadership: leading })).ok);
    await eventually('the watch tells it', () => seen.includes('/a'));
    const wrong = { user: 'controller', password: 'wrong-password' };
    await assert.rejects(
      openStore(t, [etcd], { prefix, credentials: wrong, logger }),
      fatal(3, /authentication failed/),
    );
    await assert.rejects(openStore(t, [etcd], { prefix, logger }), fatal(3, /user name is empty/));
    const elsewhere = openStore(t, [etcd], { prefix: '/secured/two', credentials, logger });
    await assert.rejects(elsewhere, fatal(3, /permission denied/));
    assert(!logger.lines.join('\n').includes(password));
    assert(!logger.lines.join('\n').includes('wrong-password'));
    assert(leading.held);
  });

  test('a token etcd forgot is taken anew, for calls, keep-alives and watches', async (t) => {
    const [etcd] = await startEtcd(t);
    assert(etcd);
    await enableAuthentication(etcd);
    const store = await openStore(t, [etcd], { prefix, credentials: { user: 'controller', password } });
    const seen: string[] = [];
    store.watch('/', ({ key }) => seen.push(key));
    assert((await store.compareAndSet('/before', 'absent', '')).ok);
    // Tokens live in the memory of etcd.
    await etcd.kill();
    await etcd.start();
    await eventually('a write', () =>
      store.transact({ guards: [], puts: [{ key: '/after', value: '' }] }).then(
        () => true,
        () => false,
      ),
    );
    await eventually('the watch goes on', () => seen.includes('/after'));
    const leading = await store.campaign('one');
    assert(leading.held);
  });
});

test('settings that cannot be meant are refused with a sentence', async (t) => {
  const etcd = { endpoint: '127.0.0.1:1' };
  await assert.rejects(openStore(t, []), fatal(2, /no endpoint/));
  for (const endpoint of ['127.0.0.1', 'http://h:1', 'h:0', 'h:65536', 'h:x', ''])
    await assert.rejects(openStore(t, [{ endpoint }]), fatal(2, /is not of the form host:port/));
  for (const wrong of ['', '/', 'a', '/a/', '/a//b', '/a b', '/a:b'])
    await assert.rejects(openStore(t, [etcd], { prefix: wrong }), fatal(2, /is not of the form \/name/));
  await assert.rejects(openStore(t, [etcd], { leaseTtlMs: 1999 }), fatal(2, /the least is 2000/));
  await assert.rejects(openStore(t, [etcd], { requestTimeoutMs: 0 }), fatal(2, /the least is 100/));
  await assert.rejects(openStore(t, [etcd], { tls: { certFile: '/x' } }), fatal(2, /together or not at all/));
});

test('an etcd that is not there does not stop the start', async (t) => {
  const logger = new RecordingLogger();
  const store = await openStore(t, [{ endpoint: '127.0.0.1:1' }], { logger, requestTimeoutMs: 200 });
  assert(logger.lines.some((line) => line.includes('etcd does not answer yet')));
  await assert.rejects(store.get('/a'), failure('METADATA_READ_FAILED', 'not-applied'));
  await assert.rejects(store.compareAndSet('/a', 'absent', ''), failure('METADATA_WRITE_FAILED', 'not-applied'));
});

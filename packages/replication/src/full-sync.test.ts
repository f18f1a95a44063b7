import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { OperationError, silentLogger, type Connector, type Transport } from '@holdfast/base';
import { transportPair, VirtualTime } from '@holdfast/base/testing';
import { RequestDecoder } from '@holdfast/resp';
import { CheckpointSource } from './checkpoint-source.ts';
import { isCheckpointFile, replicationPaths } from './files.ts';
import { runFullSync, type FullSyncEnvironment } from './full-sync.ts';
import { fileChunkBytes } from './limits.ts';
import { put } from './testing/batches.ts';
import { MemoryFiles } from './testing/memory-files.ts';
import { MemoryLog } from './testing/memory-log.ts';
import { settle } from './testing/settle.ts';
import { Socket } from './testing/socket.ts';

const paths = replicationPaths('/data');
const minuteMs = 60_000;

/** A node that answers `_fetch_meta` and `_fetch_file` from its checkpoint, and counts who asks what. */
class Source {
  readonly files = new MemoryFiles();
  readonly log: MemoryLog = new MemoryLog(this.files);
  readonly checkpoints: CheckpointSource;
  readonly asked: string[] = [];
  readonly rate = { bytesPerSecond: 0 };
  /** Connections with these numbers, from 0, end after so many bytes. */
  readonly cutAfter = new Map<number, number>();
  answer: string | undefined;
  password: string | undefined;

  constructor(time: VirtualTime) {
    this.checkpoints = new CheckpointSource({
      log: this.log,
      files: this.files,
      paths,
      clock: time,
      timers: time,
      logger: silentLogger,
      walTtlMs: () => 180 * minuteMs,
      bytesPerSecondMax: () => this.rate.bytesPerSecond,
      sendTimeoutMs: () => 30_000,
    });
  }

  #connections = 0;

  readonly connector: Connector = {
    connect: () => {
      const number = this.#connections++;
      const [here, there] = transportPair();
      const limited = limit(here, this.cutAfter.get(number) ?? Infinity);
      const decoder = new RequestDecoder();
      here.listen({
        onData: (chunk) => {
          decoder.push(chunk);
          while (decoder.next())
            this.#run(limited, decoder.request.latin1(0), decoder.request.count > 1 ? decoder.request.latin1(1) : '');
        },
        onClose: () => undefined,
      });
      return Promise.resolve(there);
    },
  };

  #run(transport: Transport, name: string, argument: string): void {
    this.asked.push(`${name} ${argument}`.trim());
    if (name === 'AUTH')
      transport.write(Buffer.from(argument === this.password ? '+OK\r\n' : '-ERR Invalid password\r\n'));
    else if (this.answer !== undefined && name === '_fetch_meta') transport.write(Buffer.from(this.answer));
    else if (name === '_fetch_meta') void this.checkpoints.sendNames(transport);
    else void this.checkpoints.sendFiles(transport, argument.split(','));
  }

  /** A database with so many table files of its own. */
  addTables(count: number): void {
    for (let i = 0; i < count; i++)
      this.files.content.set(`/data/checkpoint/${String(100 + i)}.sst`, Buffer.from(`table ${i}`));
  }
}

function limit(transport: Transport, bytes: number): Transport {
  let left = bytes;
  return new Proxy(transport, {
    get(target, property): unknown {
      if (property !== 'write') {
        const value: unknown = Reflect.get(target, property);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      }
      return (chunk: Uint8Array): boolean => {
        const part = chunk.subarray(0, left);
        left -= part.length;
        const taken = target.write(part);
        if (left <= 0) target.destroy();
        return taken;
      };
    },
  });
}

interface World {
  readonly time: VirtualTime;
  readonly source: Source;
  readonly files: MemoryFiles;
  readonly log: MemoryLog;
  readonly events: string[];
  run(changes?: Partial<FullSyncEnvironment>, signal?: AbortSignal): Promise<string>;
}

function world(): World {
  const time = new VirtualTime();
  const source = new Source(time);
  const files = new MemoryFiles();
  const log = new MemoryLog(files);
  const events: string[] = [];
  log.write(put('own', '1'));
  for (let i = 0; i < 5; i++) source.log.write(put(`theirs${i}`, '1'));
  const env: FullSyncEnvironment = {
    master: { host: '10.0.0.1', port: 6666 },
    log,
    connector: source.connector,
    files,
    paths,
    clock: time,
    timers: time,
    logger: silentLogger,
    password: undefined,
    connectTimeoutMs: 3100,
    silenceMs: 30_000,
    emptyDatabaseFirst: false,
    fetched: new Set<string>(),
    beforeClose: () => {
      events.push('before close');
      return Promise.resolve();
    },
    afterOpen: (replaced) => void events.push(replaced ? 'replaced' : 'as before'),
    onDatabaseLost: () => void events.push('lost'),
  };
  const run = async (
    changes: Partial<FullSyncEnvironment> = {},
    signal = new AbortController().signal,
  ): Promise<string> => {
    const done = runFullSync({ ...env, ...changes }, signal).then(
      () => 'done',
      (error: unknown) => (error instanceof OperationError ? `${error.code}: ${error.message}` : String(error)),
    );
    await settle(time, 60);
    return Promise.race([done, Promise.resolve('under way')]);
  };
  return { time, source, files, log, events, run };
}

describe('a full sync', () => {
  it("leaves the replica with the master's database and nothing lying about", async () => {
    const { source, files, log, events, run } = world();
    assert.equal(await run(), 'done');
    assert.deepEqual([log.latestSequence(), log.value(1, 'theirs4'), log.value(1, 'own')], [5, '1', undefined]);
    assert.deepEqual(events, ['before close', 'replaced']);
    for (const path of [paths.former, paths.discarded, paths.received]) assert.equal(await files.exists(path), false);
    assert.equal(source.asked.length, 2);
  });

  it('fetches more than 20 files over 4 connections', async () => {
    const { source, files, run } = world();
    const [names] = [source.log.database.checkpoint];
    source.log.database.checkpoint = async (path): Promise<number> => {
      const sequence = await names(path);
      source.addTables(30);
      return sequence;
    };
    assert.equal(await run(), 'done');
    assert.equal(source.asked.filter((asked) => asked.startsWith('_fetch_file')).length, 4);
    assert.equal(files.content.get('/data/db/129.sst')?.toString(), 'table 29');
  });

  it('authenticates on every connection', async () => {
    const { source, run } = world();
    source.password = 'secret';
    assert.equal(await run({ password: 'secret' }), 'done');
    assert.equal(source.asked.filter((asked) => asked === 'AUTH secret').length, 2);
    assert.match(await run({ password: 'wrong' }), /^FULL_SYNC_REFUSED: .*Invalid password/);
  });

  it('that is cut anywhere leaves the own database in use, and keeps whole tables for the next attempt', async () => {
    for (const bytes of [0, 1, 5, 40, 80]) {
      const { source, files, log, events, run } = world();
      const checkpoint = source.log.database.checkpoint;
      source.log.database.checkpoint = async (path): Promise<number> => {
        const sequence = await checkpoint(path);
        source.addTables(3);
        return sequence;
      };
      source.cutAfter.set(1, bytes);
      const fetched = new Set<string>();
      assert.match(await run({ fetched }), /^FULL_SYNC_TRANSFER/, `cut after ${bytes}`);
      assert.deepEqual([log.isOpen, log.value(1, 'own'), events.length], [true, '1', 0]);
      const kept = [...fetched];
      assert.equal(await run({ fetched }), 'done');
      const again = source.asked.at(-1) ?? '';
      for (const name of kept) assert.ok(!again.includes(name), `${name} is fetched twice`);
      assert.ok(again.includes('000001.log'), 'a log may have grown');
      assert.equal(files.content.get('/data/db/102.sst')?.toString(), 'table 2');
    }
  });

  it('refuses names that are no files of a checkpoint', async () => {
    for (const line of ['CURRENT,../../etc/passwd', 'CURRENT,/etc/passwd', 'CURRENT,a', 'MANIFEST-000001', '']) {
      const { source, log, files, run } = world();
      source.answer = `${line}\r\n`;
      assert.match(await run(), /^FULL_SYNC_REFUSED/, line);
      assert.deepEqual([log.value(1, 'own'), await files.exists(paths.received)], ['1', false]);
    }
  });

  it('tells what a master without a checkpoint said', async () => {
    const { source, run } = world();
    source.answer = "-can't create db checkpoint\r\n";
    assert.match(await run(), /can't create db checkpoint/);
  });

  it('goes back to the own database when the received one does not open', async () => {
    const { source, log, events, run } = world();
    const checkpoint = source.log.database.checkpoint;
    source.log.database.checkpoint = async (path): Promise<number> => {
      const sequence = await checkpoint(path);
      source.files.content.delete(`${path}/000001.log`);
      return sequence;
    };
    assert.match(await run(), /^FULL_SYNC_OPEN/);
    assert.deepEqual([log.isOpen, log.value(1, 'own')], [true, '1']);
    assert.deepEqual(events, ['before close', 'as before']);
  });

  it('ends when it is no longer wanted, but not while the databases are exchanged', async () => {
    const { time, log, events, run } = world();
    const abort = new AbortController();
    abort.abort();
    assert.match(await run({}, abort.signal), /^FULL_SYNC_ABORTED/);
    assert.deepEqual([log.value(1, 'own'), events.length], ['1', 0]);
    const late = new AbortController();
    const beforeClose = (): Promise<void> => {
      late.abort();
      return Promise.resolve();
    };
    assert.equal(await run({ beforeClose }, late.signal), 'done');
    await settle(time);
    assert.equal(log.value(1, 'theirs0'), '1');
  });

  it('fails when the master falls silent', async () => {
    const { time, source, run } = world();
    source.answer = '';
    const outcome = run();
    assert.equal(await outcome, 'under way');
    assert.equal(await run({ silenceMs: 0 }), 'FULL_SYNC_TRANSFER: file transfer failed: nothing came for 0 ms');
    time.advance(1);
  });

  it('makes room first when asked to, and leaves an empty database when the fetch fails', async () => {
    const { source, log, events, run } = world();
    source.cutAfter.set(1, 10);
    assert.match(await run({ emptyDatabaseFirst: true }), /^FULL_SYNC_TRANSFER/);
    assert.deepEqual([log.isOpen, log.latestSequence(), events], [true, 0, ['before close', 'replaced']]);
    assert.equal(await run({ emptyDatabaseFirst: true }), 'done');
    assert.equal(log.latestSequence(), 5);
  });

  it('says when no database can be opened any more', async () => {
    const { files, log, events, run } = world();
    const reopen = (): Promise<void> => Promise.reject(new Error('I/O error'));
    log.reopen = reopen;
    assert.match(await run(), /I\/O error/);
    assert.deepEqual(events, ['before close', 'lost']);
    assert.equal(await files.exists(paths.database), true);
  });
});

describe('the checkpoint', () => {
  const ask = async (source: Source, time: VirtualTime): Promise<string> => {
    const [here, there] = transportPair();
    let text = '';
    there.listen({ onData: (chunk) => (text += chunk.toString()), onClose: () => undefined });
    void source.checkpoints.sendNames(here);
    await settle(time);
    return text;
  };

  it('is shared while fresh, and made anew when old', async () => {
    const { time, source } = world();
    let made = 0;
    const checkpoint = source.log.database.checkpoint;
    source.log.database.checkpoint = (path): Promise<number> => {
      made++;
      return checkpoint(path);
    };
    assert.equal(await ask(source, time), 'CURRENT,000001.log\r\n');
    time.advance(20_000);
    await ask(source, time);
    assert.equal(made, 1);
    for (let i = 0; i < 200; i++) {
      time.advance(20_000);
      await ask(source, time);
    }
    assert.equal(made, 2);
  });

  it('is not given out when the WAL no longer holds what follows', async () => {
    const { time, source } = world();
    const bytes = (): number => source.files.content.get('/data/checkpoint/000001.log')?.length ?? 0;
    await ask(source, time);
    const first = bytes();
    source.log.write(put('a', '1'));
    source.log.write(put('a', '2'));
    await ask(source, time);
    assert.equal(bytes(), first);
    source.log.walFrom = 7;
    await ask(source, time);
    assert.ok(bytes() > first);
  });

  it('is removed when nobody has read from it for 30 s', async () => {
    const { time, source } = world();
    await ask(source, time);
    time.advance(29_000);
    await settle(time);
    assert.equal(await source.files.exists(paths.checkpoint), true);
    time.advance(2_000);
    await settle(time);
    assert.equal(await source.files.exists(paths.checkpoint), false);
  });

  it('that cannot be made is refused in the words of Kvrocks', async () => {
    const { time, source } = world();
    source.log.database.checkpoint = (): Promise<number> => Promise.reject(new Error('disk'));
    assert.equal(await ask(source, time), "-can't create db checkpoint\r\n");
  });

  it('gives out only its own files', async () => {
    const { time, source } = world();
    await ask(source, time);
    source.files.content.set('/data/secret', Buffer.from('secret'));
    const [here, there] = transportPair();
    let [text, ended] = ['', false];
    there.listen({
      onData: (chunk) => (text += chunk.toString()),
      onEnd: () => (ended = true),
      onClose: () => undefined,
    });
    void source.checkpoints.sendFiles(here, ['CURRENT', '../secret', '000001.log']);
    await settle(time);
    assert.deepEqual([text, ended], ['16\r\nMANIFEST-000001\n', true]);
  });

  it('is sent whole to a peer that takes part of a piece at a time', async () => {
    const { time, source } = world();
    await ask(source, time);
    const content = Buffer.from(
      Uint8Array.from({ length: 3 * fileChunkBytes + 99 }, (_, i) => (i * 7) ^ (i >> 8) ^ (i >> 16)),
    );
    source.files.content.set('/data/checkpoint/000001.log', content);
    const socket = new Socket();
    socket.room = 0;
    void source.checkpoints.sendFiles(socket, ['000001.log']);
    const taken: Buffer[] = [];
    for (let left = content.length; left > -1000; left -= 100_000) {
      await settle(time);
      socket.accept(100_000);
      socket.events?.onDrain?.(); // below a mark, not when all is sent
      taken.push(socket.take());
    }
    const expected = Buffer.concat([Buffer.from(`${content.length}\r\n`), content]);
    assert.ok(Buffer.concat(taken).equals(expected));
    assert.ok(socket.closed);
  });

  it('is sent piece by piece no faster than allowed, all transfers together', async () => {
    const { time, source } = world();
    await ask(source, time);
    source.files.content.set('/data/checkpoint/000001.log', Buffer.alloc(4 * fileChunkBytes));
    source.rate.bytesPerSecond = fileChunkBytes;
    let [bytes, ends] = [0, 0];
    const fetch = async (): Promise<void> => {
      const [here, there] = transportPair();
      there.listen({ onData: (chunk) => (bytes += chunk.length), onEnd: () => void ends++, onClose: () => undefined });
      void source.checkpoints.sendFiles(here, ['000001.log']);
      await settle(time);
    };
    const pieces = (): number => Math.floor(bytes / fileChunkBytes);
    await fetch();
    assert.equal(pieces(), 1);
    await fetch();
    assert.equal(pieces(), 2);
    const sent: number[] = [];
    for (let second = 1; second <= 7; second++) {
      for (let i = 0; i < 10; i++) {
        time.advance(100);
        await settle(time);
      }
      sent.push(pieces());
    }
    assert.deepEqual(sent, [3, 4, 5, 6, 7, 8, 8]);
    time.advance(1000);
    await settle(time);
    assert.equal(ends, 2);
  });

  it('goes on as it can once the limit is taken away', async () => {
    const { time, source } = world();
    await ask(source, time);
    source.files.content.set('/data/checkpoint/000001.log', Buffer.alloc(4 * fileChunkBytes));
    source.rate.bytesPerSecond = fileChunkBytes;
    const [here, there] = transportPair();
    let [bytes, ended] = [0, false];
    there.listen({ onData: (chunk) => (bytes += chunk.length), onEnd: () => (ended = true), onClose: () => undefined });
    void source.checkpoints.sendFiles(here, ['000001.log']);
    await settle(time);
    source.rate.bytesPerSecond = 0;
    time.advance(1000);
    await settle(time);
    assert.deepEqual([Math.floor(bytes / fileChunkBytes), ended], [4, true]);
  });
});

describe('names of a checkpoint', () => {
  it('are what RocksDB writes, and nothing that leads elsewhere', () => {
    for (const name of [
      'CURRENT',
      'IDENTITY',
      'MANIFEST-000011',
      'OPTIONS-000013',
      '000010.log',
      '7.sst',
      '000012.blob',
    ])
      assert.equal(isCheckpointFile(name), true, name);
    for (const name of [
      '',
      '.',
      '..',
      'LOCK',
      'LOG',
      '../CURRENT',
      'a/CURRENT',
      'CURRENT.tmp',
      '000010.log\n',
      '1.dbtmp',
      `${'1'.repeat(70)}.sst`,
    ])
      assert.equal(isCheckpointFile(name), false, name);
  });
});

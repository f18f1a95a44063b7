/**
 * Commands whose records are on disk only: they must not make all others wait for the disk.
 *
 * A client's own data command runs with lookups that look in memory only (@holdfast/engine, cold-reads.ts). When it missed
 * something it is taken back whole, its connection holds the request as it holds one that the lease gate does not admit, and
 * a worker reads the missing records. Then the connection hands the request over again: a new admission, with role, lease,
 * slot and condition as they are by then. What follows in the connection's pipeline waits, so that replies keep their order;
 * other connections go on.
 *
 * So that a pipeline of cold reads is not one fetch after the other, the requests that have arrived behind a held one are
 * looked through: the metadata of their keys is fetched with it. All that is missed within one turn of the event loop goes
 * to the workers in batches, each record once.
 *
 * A command with nothing behind it reads what the kernel has of the files in memory itself: a job of a worker for one record
 * costs more than that.
 *
 * A command that has been fetched for several times and still misses something waits for the disk in its turn: it has to
 * get on, also when others write what it reads all the time, or when a value is larger than what workers hand over.
 *
 * Elsewhere (EXEC, scripts, waits that are served, slices of replies) and in iterators the loop waits for the disk.
 */
import { assert, messageOf, type Logger, type Timers } from '@holdfast/base';
import { keysOf } from '@holdfast/commands';
import {
  family,
  Scratch,
  writeMetadataKey,
  type ColdReads,
  type ColdRecord,
  type Namespace,
  type WarmedKeys,
} from '@holdfast/engine';
import { RequestDecoder, type Request } from '@holdfast/resp';
import type { ClientConnection } from '../net/client-connection.ts';
import {
  bitsOfRequest,
  fitsArity,
  flagBits,
  writesBlindly,
  type CommandEntries,
  type CommandEntry,
} from './command-entry.ts';

/** The part of the engine that cold commands need. */
export interface ColdEngine {
  readonly cold: ColdReads;
  readonly slotPrefixed: boolean;
  /** Brings near what is cached of some keys. */
  warm(namespace: Namespace, keys: WarmedKeys): void;
  /** Notes a key of `family` unless its record is at hand. */
  noteAhead(of: number, key: Scratch): boolean;
  /** Reads what was noted, on a worker thread: lookups find it until it is forgotten. */
  fetch(records: readonly ColdRecord[]): Promise<void>;
}

export interface ColdCommandsEnvironment {
  readonly engine: ColdEngine;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly entries: CommandEntries;
  /** Lookups of keys, for INFO: those of a command that is taken back were none. */
  readonly lookups: { hits: number; misses: number };
}

/** For INFO. */
export interface ColdFigures {
  /** Commands that were taken back, once for each time. */
  readonly commands: number;
  /** Records that workers have read, or tried to. */
  readonly records: number;
  /** Records that they are reading or are about to. */
  readonly recordsInFlight: number;
}

/** Records of one job of a worker; while all workers are busy twice as many: a job costs two switches of threads. */
const batchRecords = 32;
/** Jobs under way: two of the eight threads that tools/launch.sh asks for stay free, for commits. */
const jobsMax = 6;
/** Fetches for one command, after which it waits for the disk itself. */
const fetchesMax = 4;
/** Requests behind a held one that are looked through, and their bytes. */
const lookedThrough = 64;
const lookedThroughBytes = 64 * 1024;
/** With so many records in flight nothing is fetched ahead. */
const aheadMax = 4096;
/** Keys of one request that are looked up ahead. */
const keysAhead = 64;

/** A connection whose command was taken back. */
interface Waiter {
  readonly connection: ClientConnection;
  /** Those that hold records of its. */
  readonly batches: Batch[];
  /** So many of them are not read yet. */
  unread: number;
}

interface Batch {
  readonly records: ColdRecord[];
  readonly waiters: Waiter[];
  /** So many waiters have not gone on: until they have, its records are kept. */
  waiting: number;
}

export class ColdCommands {
  readonly #env: ColdCommandsEnvironment;
  readonly #key = new Scratch();
  /** Records that are in a batch and not fetched yet. */
  #inFlight = 0;
  #open: Batch | undefined;
  #due: Batch[] = [];
  #jobs = 0;
  #commands = 0;
  #records = 0;
  #hits = 0;
  #misses = 0;

  constructor(env: ColdCommandsEnvironment) {
    this.#env = env;
  }

  get figures(): ColdFigures {
    return { commands: this.#commands, records: this.#records, recordsInFlight: this.#inFlight };
  }

  /** CONFIG RESETSTAT. */
  resetFigures(): void {
    this.#commands = this.#records = 0;
  }

  /** A client's own command is about to run: from here to `ends` its lookups do not wait for the disk, if it is one to take back. */
  begins(connection: ClientConnection, entry: CommandEntry, bits: number): void {
    const { engine, lookups } = this.#env;
    if (!entry.isData || !engine.cold.isEnabled || connection.input.fetches >= fetchesMax) return;
    this.#hits = lookups.hits;
    this.#misses = lookups.misses;
    engine.cold.begin((bits & flagBits.write) === 0 ? 'feign' : 'end', connection.input.bufferedBytes === 0);
  }

  /** @returns whether what it has done counts for nothing, because it missed something. */
  ends(connection: ClientConnection): boolean {
    const { cold } = this.#env.engine;
    if (cold.mode !== 'read' && cold.end()) return true;
    connection.input.fetches = 0;
    return false;
  }

  /** The running command has missed something: whatever ended it is of no account. */
  get missed(): boolean {
    const { cold } = this.#env.engine;
    return cold.mode !== 'read' && cold.misses > 0;
  }

  /** The command was taken back and its connection is about to hold it: it is resumed when what it missed was fetched. */
  defer(connection: ClientConnection, request: Request, entry: CommandEntry): void {
    const { engine, lookups, timers } = this.#env;
    lookups.hits = this.#hits;
    lookups.misses = this.#misses;
    this.#commands++;
    if (this.#inFlight < aheadMax) this.#lookAhead(connection, request, entry);
    const waiter: Waiter = { connection, batches: [], unread: 0 };
    const wasOpen = this.#open !== undefined;
    for (const record of engine.cold.take()) this.#add(record, waiter);
    connection.input.isFetching = true;
    assert(waiter.unread > 0, `${entry.definition.name} waits for nothing`);
    if (!wasOpen && this.#open !== undefined) timers.soon(() => this.#close());
  }

  #add(record: ColdRecord, waiter: Waiter): void {
    let batch = record.batch as Batch | undefined;
    if (batch === undefined) {
      batch = this.#open ??= { records: [], waiters: [], waiting: 0 };
      batch.records.push(record);
      record.batch = batch;
      this.#inFlight++;
    }
    // One waiter is added after the other: one that is here already is the last.
    if (batch.waiters[batch.waiters.length - 1] !== waiter) {
      batch.waiters.push(waiter);
      batch.waiting++;
      waiter.batches.push(batch);
      waiter.unread++;
    }
    const enough = this.#inFlight > jobsMax * batchRecords ? 2 * batchRecords : batchRecords;
    if (batch === this.#open && batch.records.length >= enough) this.#close();
  }

  /** The open batch is handed to a worker, when one is free. */
  #close(): void {
    if (this.#open === undefined) return;
    this.#due.push(this.#open);
    this.#open = undefined;
    this.#start();
  }

  #start(): void {
    while (this.#jobs < jobsMax) {
      const batch = this.#due.shift();
      if (batch === undefined) return;
      this.#jobs++;
      this.#fetch(batch);
    }
  }

  #fetch(batch: Batch): void {
    const { engine, logger } = this.#env;
    engine.fetch(batch.records).then(
      () => this.#fetched(batch),
      (error: unknown) => {
        logger.warn('records could not be read ahead; their commands read them', { error: messageOf(error) });
        for (const { connection } of batch.waiters) connection.input.fetches = fetchesMax;
        this.#inFlight -= batch.records.length;
        engine.cold.forget(batch.records.splice(0), false);
        this.#fetched(batch);
      },
    );
  }

  #fetched({ records, waiters }: Batch): void {
    this.#jobs--;
    this.#records += records.length;
    this.#inFlight -= records.length;
    this.#start();
    for (const waiter of waiters) if (--waiter.unread === 0) this.#goOn(waiter);
  }

  #goOn({ connection, batches }: Waiter): void {
    const { input } = connection;
    input.isFetching = false;
    input.fetches++;
    connection.resume();
    const { cold } = this.#env.engine;
    for (const batch of batches) if (--batch.waiting === 0) cold.forget(batch.records, true);
  }

  /** Notes the other keys of a command that ended with its first, and those of the requests behind it. */
  #lookAhead(connection: ClientConnection, request: Request, entry: CommandEntry): void {
    const { entries } = this.#env;
    const bits = bitsOfRequest(entry, request);
    if ((bits & flagBits.write) !== 0) this.#noteKeys(connection, request, entry);
    const bytes = connection.input.unread(lookedThroughBytes);
    if (bytes.length === 0) return;
    const decoder = new RequestDecoder();
    decoder.push(bytes);
    for (let count = 0; count < lookedThrough && nextOf(decoder); count++) {
      const next = entries.find(decoder.request);
      // What follows may be of another namespace, or none of its business.
      if (next === undefined || !next.isData) return;
      if (fitsArity(next, decoder.request)) this.#noteKeys(connection, decoder.request, next);
    }
  }

  #noteKeys({ namespace }: ClientConnection, request: Request, { definition }: CommandEntry): void {
    if (writesBlindly.includes(definition.name)) return;
    const { engine } = this.#env;
    let count = 0;
    for (const index of keysOf(definition, request)) {
      if (++count > keysAhead) return;
      const key = { namespace, buffer: request.buffer, start: request.start(index), end: request.end(index) };
      writeMetadataKey(this.#key, key, engine.slotPrefixed);
      engine.noteAhead(family.metadata, this.#key);
    }
  }
}

/** What is no request is refused when its turn comes. */
function nextOf(decoder: RequestDecoder): boolean {
  try {
    return decoder.next();
  } catch {
    return false;
  }
}

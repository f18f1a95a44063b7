/**
 * Loading and storing the metadata record of a user key: what every data type begins with. One instance is shared by
 * all types of an engine; it holds the record that was loaded last, and whoever needs two copies one out.
 */
import { OperationError } from '@holdfast/base';
import { Scratch, type Span } from './bytes.ts';
import type { Engine } from './engine.ts';
import { family } from './families.ts';
import { Metadata, typeId } from './metadata-value.ts';
import { writeMetadataKey, type UserKey } from './stored-key.ts';

/** What a typed lookup found. */
export type Lookup = 'found' | 'absent' | 'wrong-type';

/** LogData texts, as Kvrocks' migration reads them: `<type id>`, or `0 8` for the EXPIRE family. */
function logText(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

const logOfType: readonly Buffer[] = Array.from({ length: 16 }, (_, id) => logText(String(id)));
const logOfExpire = logText('0 8');

export class Records {
  readonly engine: Engine;
  /** The record loaded last; `type` none when there was no living one. */
  readonly meta: Metadata = new Metadata();
  /** Lookups that found a living key, and those that found none: for INFO. */
  hits = 0;
  misses = 0;
  readonly #head = new Scratch(64);

  constructor(engine: Engine) {
    this.engine = engine;
  }

  /**
   * Reads the record of `key` into `meta`, and its bytes into `engine.value`.
   * @returns false when there is none, or a dead one: expired, or a collection without elements.
   * @throws OperationError ENGINE_RECORD_CORRUPT when the stored bytes are no record.
   */
  load(key: UserKey, nowMs: number): boolean {
    const { engine, meta } = this;
    writeMetadataKey(engine.key, key, engine.slotPrefixed);
    if (!engine.get(family.metadata, engine.key)) {
      this.misses++;
      meta.type = typeId.none;
      return false;
    }
    if (!meta.read(engine.value)) {
      throw new OperationError(
        'ENGINE_RECORD_CORRUPT',
        `the metadata record of a key of ${key.end - key.start} bytes has only ${engine.value.length} bytes`,
        { outcome: 'not-applied' },
      );
    }
    if (!meta.isDead(nowMs)) {
      this.hits++;
      return true;
    }
    this.misses++;
    meta.type = typeId.none;
    return false;
  }

  /** As `load`, telling other types apart. */
  lookup(key: UserKey, type: number, nowMs: number): Lookup {
    if (!this.load(key, nowMs)) return 'absent';
    return this.meta.type === type ? 'found' : 'wrong-type';
  }

  /** Writes `meta` followed by `body` (payload or tail) as the record of `key`. */
  store(key: UserKey, body: Span): void {
    const { engine } = this;
    writeMetadataKey(engine.key, key, engine.slotPrefixed);
    this.meta.write(this.#head);
    engine.tick.put(family.metadata, engine.key, this.#head, body);
  }

  /** Payload or tail of the record loaded last, where it stands; valid until the next read. */
  body(): Span {
    const { buffer, end } = this.engine.value;
    return { buffer, start: this.meta.bodyStart, end };
  }

  /** Deletes the record of `key`; sub keys become unreachable and go in compaction. */
  delete(key: UserKey): void {
    const { engine } = this;
    writeMetadataKey(engine.key, key, engine.slotPrefixed);
    engine.tick.delete(family.metadata, engine.key);
  }

  /** Says in the log what the records that follow belong to. */
  log(type: number): void {
    this.engine.tick.logData(logOfType[type] as Buffer);
  }

  logExpire(): void {
    this.engine.tick.logData(logOfExpire);
  }
}

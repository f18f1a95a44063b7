/**
 * Bloom filters (Kvrocks types/redis_bloom_chain.cc): a chain of filters, each with its own sub key (its number as u16) and
 * stored as one value. When the last one is full another is added that holds `expansion` times as much; with expansion 0
 * there is one filter, and it gets full. Behind the size in the metadata, which counts the items added, stand
 *
 *   filters u16 | expansion u16 | capacity of the first u32 | error rate (ordered double) | bytes of all filters u32
 *
 * A filter is read and written as a whole, so adding one item costs as much as its filter is long, as in Kvrocks.
 */
import { OperationError } from '@holdfast/base';
import { filterAdd, filterBytes, filterHas } from './bloom-filter.ts';
import type { Span } from './bytes.ts';
import { Collection } from './collection.ts';
import { typeId } from './metadata-value.ts';
import { readOrderedDouble, writeOrderedDouble } from './ordered-double.ts';
import type { Lookup, Records } from './records.ts';
import type { UserKey } from './stored-key.ts';
import { Word64 } from './word64.ts';
import { xxHash } from './xx-hash.ts';

/** How a chain is begun. */
export interface BloomSettings {
  /** Items of the first filter, from 1 to 2^32 - 1. */
  readonly capacity: number;
  /** Between 0 and 1, both not included. */
  readonly errorRate: number;
  /** How many times as much the next filter holds, up to 65535; 0 for no next filter. */
  readonly expansion: number;
}

const tailBytes = 20;
const filtersMax = 65535;

interface LoadedFilter {
  readonly bytes: Buffer;
  isChanged: boolean;
}

export class Blooms extends Collection {
  filters = 0;
  expansion = 0;
  /** Items that the first filter holds. */
  baseCapacity = 0;
  errorRate = 0;
  /** Bytes of all filters. */
  bytes = 0;
  #loaded: (LoadedFilter | undefined)[] = [];
  #logText = 'insert';
  readonly #hash = new Word64();

  constructor(records: Records) {
    super(records, typeId.bloom);
  }

  override open(key: UserKey, nowMs: number): Lookup {
    const found = super.open(key, nowMs);
    this.#loaded = [];
    this.#logText = 'insert';
    if (found !== 'found') return found;
    if (this.tail.length < tailBytes) {
      const message = `the metadata record of a Bloom filter has ${this.tail.length} bytes behind its size, not ${tailBytes}`;
      throw new OperationError('ENGINE_RECORD_CORRUPT', message, { outcome: 'not-applied' });
    }
    this.filters = this.tail.readUInt16BE(0);
    this.expansion = this.tail.readUInt16BE(2);
    this.baseCapacity = this.tail.readUInt32BE(4);
    this.errorRate = readOrderedDouble(this.tail, 8);
    this.bytes = this.tail.readUInt32BE(16);
    return found;
  }

  /** Begins a chain with one empty filter in place of whatever `key` is; `saveFilters` writes it. */
  reserve(key: UserKey, { capacity, errorRate, expansion }: BloomSettings): void {
    this.create(key);
    this.#loaded = [];
    this.#logText = 'createBloomChain';
    this.filters = this.bytes = 0;
    this.baseCapacity = capacity;
    this.errorRate = errorRate;
    this.expansion = expansion;
    this.#appendFilter();
  }

  /** Items that all filters hold together. */
  get capacity(): number {
    let sum = 0;
    for (let filter = 0; filter < this.filters; filter++) sum += this.#capacityOf(filter);
    return sum;
  }

  /** Whether an item was added, or looks as if it was. */
  has(item: Span): boolean {
    xxHash(item, this.#hash);
    return this.#hasHash();
  }

  /** Adds an item. @returns `full` when there is no room for it and none is made. */
  add(item: Span): 'added' | 'there' | 'full' {
    xxHash(item, this.#hash);
    if (this.#hasHash()) return 'there';
    if (this.size + 1 > this.capacity) {
      if (this.expansion === 0 || this.filters === filtersMax) return 'full';
      this.#appendFilter();
    }
    const last = this.#filter(this.filters - 1);
    filterAdd(last.bytes, this.#hash);
    last.isChanged = true;
    this.size++;
    return 'added';
  }

  /** Writes the metadata record and the filters that changed, if any did. */
  saveFilters(key: UserKey): void {
    if (!this.#loaded.some((filter) => filter?.isChanged === true)) return;
    const tail = Buffer.alloc(tailBytes);
    tail.writeUInt16BE(this.filters, 0);
    tail.writeUInt16BE(this.expansion, 2);
    tail.writeUInt32BE(this.baseCapacity, 4);
    writeOrderedDouble(tail, 8, this.errorRate);
    tail.writeUInt32BE(this.bytes >>> 0, 16);
    this.tail = tail;
    this.save(key, true);
    this.#loaded.forEach((filter, index) => {
      if (filter?.isChanged !== true) return;
      this.subkey().u16(index);
      this.store({ buffer: filter.bytes, start: 0, end: filter.bytes.length });
      filter.isChanged = false;
    });
  }

  /** Lets go of the filters that were read: they may be large, and the object stays. To be called at a command's end. */
  letGo(): void {
    this.#loaded = [];
  }

  protected override writeLog(): void {
    this.records.engine.tick.logData(Buffer.from(`9 ${this.#logText}`));
  }

  #capacityOf(filter: number): number {
    return this.expansion === 0 ? this.baseCapacity : this.baseCapacity * this.expansion ** filter;
  }

  #appendFilter(): void {
    const bytes = filterBytes(this.#capacityOf(this.filters), this.errorRate);
    this.#loaded[this.filters] = { bytes: Buffer.alloc(bytes), isChanged: true };
    this.bytes += bytes;
    this.filters++;
  }

  /** Most items are in the last filter, which is the largest. */
  #hasHash(): boolean {
    for (let filter = this.filters - 1; filter >= 0; filter--) {
      if (filterHas(this.#filter(filter).bytes, this.#hash)) return true;
    }
    return false;
  }

  #filter(index: number): LoadedFilter {
    const loaded = this.#loaded[index];
    if (loaded !== undefined) return loaded;
    this.subkey().u16(index);
    if (!this.fetch()) {
      const message = `filter ${index} of a Bloom filter is not stored, though its metadata record counts ${this.filters}`;
      throw new OperationError('ENGINE_RECORD_CORRUPT', message, { outcome: 'not-applied' });
    }
    return (this.#loaded[index] = { bytes: this.value.copy(), isChanged: false });
  }
}

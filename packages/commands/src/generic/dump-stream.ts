/** A stream as an RDB value; the layout stands in rdb/read-stream.ts. Written in the form of Redis 7.0. */
import {
  EntryParts,
  Scratch,
  StreamGroups,
  StreamId,
  Streams,
  sameBytes,
  type EntryIterator,
  type PendingEntry,
  type Records,
  type Span,
  type StreamGroup,
} from '@holdfast/engine';
import { ListpackWriter } from '../rdb/pack-elements.ts';
import { entryFlag } from '../rdb/read-stream.ts';
import { rdbType, rdbVersion } from '../rdb/rdb-format.ts';
import type { RdbWriter } from '../rdb/rdb-writer.ts';
import type { Dump } from './dump-value.ts';

/** Redis' own limits of a node, stream-node-max-entries and stream-node-max-bytes. */
const nodeEntriesMax = 100;
const nodeBytesMax = 4096;

/** A node in the making: the listpack begins with counts, so its entries are gathered first. */
interface Node {
  readonly first: StreamId;
  readonly entries: { readonly id: StreamId; readonly parts: Buffer }[];
  bytes: number;
}

export class StreamDump {
  readonly #streams: Streams;
  readonly #groups: StreamGroups;
  readonly #parts = new EntryParts();
  readonly #listpack = new ListpackWriter();
  readonly #idBytes = new Scratch(16);

  constructor(records: Records) {
    this.#streams = new Streams(records);
    this.#groups = new StreamGroups(this.#streams);
  }

  /** @returns the version of the form. */
  write({ key, nowMs, writer }: Dump): number {
    const streams = this.#streams;
    streams.open(key, nowMs);
    writer.u8(rdbType.stream2);
    const size = this.#writeNodes(writer);
    writer.count(size);
    this.#told(writer, streams.lastGenerated);
    this.#told(writer, streams.recordedFirst);
    this.#told(writer, streams.maxDeleted);
    writer.count(streams.entriesAdded);
    const groups = this.#groups.list();
    writer.count(groups.length);
    for (const group of groups) this.#writeGroup(writer, group);
    return rdbVersion.streams;
  }

  /** Two walks: how many nodes there are stands before the first. @returns the number of entries. */
  #writeNodes(writer: RdbWriter): number {
    let count = 0;
    let size = 0;
    this.#eachNode(() => count++);
    writer.count(count);
    this.#eachNode((node) => {
      size += node.entries.length;
      this.#raw(writer, node.first, true);
      writer.string(this.#packed(node));
    });
    return size;
  }

  #eachNode(visit: (node: Node) => void): void {
    const entries = this.#streams.iterateEntries();
    try {
      let node: Node | undefined;
      while (entries.next()) {
        if (node !== undefined && isFull(node, entries)) {
          visit(node);
          node = undefined;
        }
        const id = new StreamId();
        this.#streams.readId(entries, id);
        node ??= { first: id, entries: [], bytes: 0 };
        node.entries.push({ id, parts: entries.value.copy() });
        node.bytes += entries.value.length;
      }
      if (node !== undefined) visit(node);
    } finally {
      entries.close();
    }
  }

  /** The fields of the first entry are the master's. */
  #packed({ first, entries }: Node): Span {
    const listpack = this.#listpack;
    const master = this.#partsOf((entries[0] as { parts: Buffer }).parts).filter((_, i) => i % 2 === 0);
    listpack.reset();
    listpack.integer(BigInt(entries.length));
    listpack.integer(0n);
    listpack.integer(BigInt(master.length));
    for (const field of master) listpack.string(field);
    listpack.integer(0n);
    for (const { id, parts } of entries) {
      const all = this.#partsOf(parts);
      const isLikeMaster =
        all.length === 2 * master.length && master.every((field, i) => sameBytes(field, all[2 * i] as Span));
      listpack.integer(BigInt(isLikeMaster ? entryFlag.masterFields : 0));
      listpack.integer(msOf(id) - msOf(first));
      listpack.integer(seqOf(id) - seqOf(first));
      if (!isLikeMaster) listpack.integer(BigInt(all.length / 2));
      all.forEach((part, i) => {
        if (!isLikeMaster || i % 2 === 1) listpack.string(part);
      });
      listpack.integer(BigInt(isLikeMaster ? master.length + 3 : all.length + 4));
    }
    return listpack.take();
  }

  #partsOf(entry: Buffer): Span[] {
    const parts = this.#parts;
    const spans: Span[] = [];
    parts.enter({ buffer: entry, start: 0, end: entry.length });
    while (parts.next()) spans.push({ buffer: parts.buffer, start: parts.start, end: parts.end });
    return spans;
  }

  #writeGroup(writer: RdbWriter, group: StreamGroup): void {
    writer.string(whole(group.name));
    this.#told(writer, group.lastDelivered);
    writer.count(BigInt.asUintN(64, group.entriesRead));
    const pending = new Map<string, StreamId[]>();
    const walk = this.#groups.iterate(group, {});
    const all: PendingEntry[] = [];
    try {
      while (walk.next()) {
        const entry = walk.entry();
        const owner = entry.consumer.toString('latin1');
        const owned = pending.get(owner) ?? [];
        owned.push(entry.id);
        pending.set(owner, owned);
        all.push(entry);
      }
    } finally {
      walk.close();
    }
    writer.count(all.length);
    for (const { id, deliveredMs, deliveries } of all) {
      this.#raw(writer, id, false);
      writer.ms(deliveredMs);
      writer.count(deliveries);
    }
    const consumers = this.#groups.consumers(group);
    writer.count(consumers.length);
    for (const { name, seenMs } of consumers) {
      const owned = pending.get(name.toString('latin1')) ?? [];
      writer.string(whole(name));
      writer.ms(seenMs);
      writer.count(owned.length);
      for (const id of owned) this.#raw(writer, id, false);
    }
  }

  /** An id as two numbers. */
  #told(writer: RdbWriter, id: StreamId): void {
    writer.count(msOf(id));
    writer.count(seqOf(id));
  }

  /** An id as sixteen bytes, on request as a string. */
  #raw(writer: RdbWriter, id: StreamId, isString: boolean): void {
    const bytes = this.#idBytes;
    bytes.reset();
    id.write(bytes);
    if (isString) writer.count(bytes.end);
    writer.raw(bytes);
  }
}

function isFull({ entries, bytes }: Node, next: EntryIterator): boolean {
  return entries.length === nodeEntriesMax || bytes + next.value.length > nodeBytesMax;
}

function msOf({ msHigh, msLow }: StreamId): bigint {
  return (BigInt(msHigh) << 32n) | BigInt(msLow);
}

function seqOf({ seqHigh, seqLow }: StreamId): bigint {
  return (BigInt(seqHigh) << 32n) | BigInt(seqLow);
}

function whole(bytes: Buffer): Span {
  return { buffer: bytes, start: 0, end: bytes.length };
}

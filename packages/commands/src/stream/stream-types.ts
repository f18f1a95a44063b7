/** What the commands on streams work with: one stream open at a time, its groups, and the buffer entries are made in. */
import { Scratch, StreamGroups, Streams, type DataTypes } from '@holdfast/engine';

/** Directives that commands on streams read at each use. */
export interface StreamSettings {
  /** Entries that `MAXLEN ~` removes together: `stream-node-max-entries`. */
  readonly nodeMaxEntries: number;
}

export const defaultStreamSettings: StreamSettings = { nodeMaxEntries: 100 };

export interface StreamTypes {
  readonly settings: StreamSettings;
  readonly streams: Streams;
  readonly groups: StreamGroups;
  /** The value of the entry that XADD is about to add. */
  readonly entry: Scratch;
}

export function streamTypes(types: DataTypes, settings: StreamSettings): StreamTypes {
  const streams = new Streams(types.records);
  return { settings, streams, groups: new StreamGroups(streams), entry: new Scratch(1024) };
}

/** As people read a key or a name in an error line. */
export function textOf(bytes: { readonly buffer: Buffer; readonly start: number; readonly end: number }): string {
  return bytes.buffer.utf8Slice(bytes.start, bytes.end);
}

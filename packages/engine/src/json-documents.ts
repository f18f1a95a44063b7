/**
 * JSON documents: the whole document stands in the metadata record, after flags, expiry and a byte that names its form
 * (0 text, 1 CBOR). A command opens the document, which reads it wholly, changes the value, and saves it wholly, in the
 * form that is configured now (Kvrocks types/redis_json.cc).
 */
import type { Span } from './bytes.ts';
import { decodeCbor, encodeCbor } from './json-cbor.ts';
import { printJson } from './json-print.ts';
import { parseJson } from './json-text.ts';
import {
  JsonFailure,
  documentBytesMax,
  jsonLimits,
  nestingLimit,
  type JsonLimits,
  type JsonValue,
} from './json-value.ts';
import { typeId } from './metadata-value.ts';
import type { Lookup, Records } from './records.ts';
import type { UserKey } from './stored-key.ts';

export type JsonFormat = 'json' | 'cbor';

/** The directives json-storage-format and json-max-nesting-depth, read at each use. */
export interface JsonSettings {
  readonly storageFormat: JsonFormat;
  readonly nestingMax: number;
}

const textForm = 0;
const cborForm = 1;

/** The bytes a value is stored as, or a JsonFailure when it passes the limits. */
export function encodeJson(
  value: JsonValue,
  format: JsonFormat,
  limits: JsonLimits = jsonLimits,
): Buffer | JsonFailure {
  if (format === 'cbor') return encodeCbor(value, limits);
  const text = printJson(value, undefined, limits);
  return text instanceof JsonFailure ? text : Buffer.from(text);
}

function decodeJson(bytes: Span, format: JsonFormat): JsonValue | JsonFailure {
  return format === 'cbor' ? decodeCbor(bytes, nestingLimit) : parseJson(bytes, nestingLimit);
}

export class JsonDocuments {
  readonly records: Records;
  readonly settings: JsonSettings;
  /** The form of the document found last. */
  format: JsonFormat = 'json';
  /** Bytes of the document found last. */
  size = 0;
  #is64 = true;
  #expireMs = 0;

  constructor(records: Records, settings: JsonSettings) {
    this.records = records;
    this.settings = settings;
  }

  /** Looks a document up without reading it. `unreadable`: of a form that is not known. */
  find(key: UserKey, nowMs: number): Lookup | 'unreadable' {
    const { records } = this;
    const found = records.lookup(key, typeId.json, nowMs);
    this.#is64 = true;
    this.#expireMs = 0;
    if (found !== 'found') return found;
    this.#is64 = records.meta.is64;
    this.#expireMs = records.meta.expireMs;
    const { buffer, start, end } = records.body();
    const form = start < end ? buffer[start] : undefined;
    if (form !== textForm && form !== cborForm) return 'unreadable';
    this.format = form === cborForm ? 'cbor' : 'json';
    this.size = end - start - 1;
    return 'found';
  }

  /** Reads the document found last, right after `find`. Whatever depth it was stored with is read, up to the limit. */
  read(): JsonValue | JsonFailure {
    const { buffer, start, end } = this.records.body();
    const payload = { buffer, start: start + 1, end };
    return decodeJson(payload, this.format);
  }

  /** Reads bytes of `encode`. */
  decode(bytes: Buffer): JsonValue | JsonFailure {
    return decodeJson({ buffer: bytes, start: 0, end: bytes.length }, this.settings.storageFormat);
  }

  /** Reads a value that a client sent, within the configured depth. */
  parse(text: Span): JsonValue | JsonFailure {
    return parseJson(text, this.settings.nestingMax);
  }

  /** The bytes to `store` a value as, in the configured form and within the configured depth. */
  encode(value: JsonValue): Buffer | JsonFailure {
    const { storageFormat, nestingMax } = this.settings;
    return encodeJson(value, storageFormat, {
      bytesMax: documentBytesMax,
      nestingMax: Math.min(nestingMax, nestingLimit),
    });
  }

  /**
   * Stores the document of a key that was looked up last, keeping its expiry; `bytes` are of `encode`. What the key was before is replaced.
   */
  store(key: UserKey, bytes: Buffer, isFirstOfCommand = true): void {
    const { records, settings } = this;
    if (isFirstOfCommand) records.log(typeId.json);
    const { meta } = records;
    meta.create(typeId.json);
    meta.is64 = this.#is64;
    meta.expireMs = this.#expireMs;
    const body = Buffer.allocUnsafe(bytes.length + 1);
    body[0] = settings.storageFormat === 'cbor' ? cborForm : textForm;
    bytes.copy(body, 1);
    records.store(key, { buffer: body, start: 0, end: body.length });
  }

  /** Deletes the document found last. */
  delete(key: UserKey): void {
    this.records.log(typeId.json);
    this.records.delete(key);
  }
}

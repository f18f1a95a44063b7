/**
 * Sets: one metadata record (version, number of members) and one sub key record without a value for every member, in byte
 * order (Kvrocks types/redis_set.cc). A set that lost its last member keeps its record with size 0 and reads as missing.
 */
import type { Span } from './bytes.ts';
import { Collection } from './collection.ts';
import { typeId } from './metadata-value.ts';
import type { Records } from './records.ts';

const noValue: Span = { buffer: Buffer.alloc(0), start: 0, end: 0 };

export class Sets extends Collection {
  constructor(records: Records) {
    super(records, typeId.set);
  }

  /** Whether the open set has a member. */
  has(member: Span): boolean {
    if (this.size === 0) return false;
    this.subkeyOf(member);
    return this.fetch();
  }

  /** Adds a member. @returns whether it is new. */
  add(member: Span): boolean {
    if (this.has(member)) return false;
    this.addNew(member);
    return true;
  }

  /** Adds a member that the open set does not have. */
  addNew(member: Span): void {
    this.subkeyOf(member);
    this.store(noValue);
    this.size++;
  }

  /** Removes a member. @returns whether there was one. */
  remove(member: Span): boolean {
    if (!this.has(member)) return false;
    this.removeMember(member);
    return true;
  }

  /** Removes a member that the open set has. */
  removeMember(member: Span): void {
    this.subkeyOf(member);
    this.erase();
    this.size--;
  }
}

/**
 * The members of several sets in one order, each once: a merge of their walks. The sets stand in a heap by the member their
 * walk stands at, so a step costs the logarithm of their number, and memory is a block of each.
 */
import { Window, type EntryIterator, type Sets, type Span } from '@holdfast/engine';

interface Branch {
  readonly entries: EntryIterator;
  readonly prefixLength: number;
  readonly member: Window;
}

/** Byte order. */
export function compareMembers(a: Span, b: Span): number {
  return a.buffer.compare(b.buffer, b.start, b.end, a.start, a.end);
}

/** Moves a branch to its next member. */
function advance({ entries, prefixLength, member }: Branch): boolean {
  if (!entries.next()) return false;
  const { buffer, start, end } = entries.key;
  member.set(buffer, start + prefixLength, end);
  return true;
}

export class UnionWalk {
  readonly #all: Branch[] = [];
  /** Branches but the current one; none comes before its parent, which is at (index - 1) / 2. */
  readonly #heap: Branch[] = [];
  #current: Branch | undefined;

  /** @param sets are open; to be closed by `close`. */
  constructor(sets: readonly Sets[]) {
    for (const set of sets) {
      if (set.size === 0) continue;
      const branch = {
        entries: set.iterate({ keysOnly: true }),
        prefixLength: set.prefixLength,
        member: new Window(),
      };
      this.#all.push(branch);
      this.#insert(branch);
    }
  }

  /** The current member, after `next` has said that there is one; valid until the next call. */
  get member(): Span | undefined {
    return this.#current?.member;
  }

  /** Moves to the next member of any set. @returns false at the end. */
  next(): boolean {
    const left = this.#current;
    if (left !== undefined) {
      while (this.#heap.length > 0 && compareMembers((this.#heap[0] as Branch).member, left.member) === 0) {
        this.#insert(this.#removeFirst());
      }
      this.#insert(left);
    }
    this.#current = this.#heap.length > 0 ? this.#removeFirst() : undefined;
    return this.#current !== undefined;
  }

  close(): void {
    for (const { entries } of this.#all) entries.close();
  }

  /** Puts a branch at its next member, if it has one. */
  #insert(branch: Branch): void {
    if (!advance(branch)) return;
    const heap = this.#heap;
    let at = heap.length;
    heap.push(branch);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (compareMembers((heap[parent] as Branch).member, branch.member) <= 0) break;
      heap[at] = heap[parent] as Branch;
      at = parent;
    }
    heap[at] = branch;
  }

  #removeFirst(): Branch {
    const heap = this.#heap;
    const first = heap[0] as Branch;
    const moved = heap.pop() as Branch;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && compareMembers(right.member, (heap[child] as Branch).member) < 0) child++;
      if (compareMembers(moved.member, (heap[child] as Branch).member) <= 0) break;
      heap[at] = heap[child] as Branch;
      at = child;
    }
    heap[at] = moved;
    return first;
  }
}

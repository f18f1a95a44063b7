/**
 * What is going to happen, soonest first; what falls on the same instant happens in the order it was planned. A binary
 * heap in one array, since most of a run's time would otherwise go into finding the next event.
 */
export interface Planned {
  readonly atMs: number;
  readonly order: number;
  /** Undefined once cancelled. */
  run: (() => void) | undefined;
}

export class EventHeap {
  readonly #items: Planned[] = [];
  #order = 0;

  get size(): number {
    return this.#items.length;
  }

  /** When the next one is; Infinity when nothing is planned. */
  get nextMs(): number {
    return this.#items[0]?.atMs ?? Infinity;
  }

  push(atMs: number, run: () => void): Planned {
    const item: Planned = { atMs, order: this.#order++, run };
    const items = this.#items;
    let at = items.length;
    items.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = items[parent] as Planned;
      if (above.atMs < atMs || (above.atMs === atMs && above.order < item.order)) break;
      items[at] = above;
      at = parent;
    }
    items[at] = item;
    return item;
  }

  pop(): Planned | undefined {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (first === undefined || last === undefined || items.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      const right = child + 1;
      if (right < items.length && isBefore(items[right] as Planned, items[child] as Planned)) child = right;
      const below = items[child] as Planned;
      if (!isBefore(below, last)) break;
      items[at] = below;
      at = child;
    }
    items[at] = last;
    return first;
  }
}

function isBefore(a: Planned, b: Planned): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

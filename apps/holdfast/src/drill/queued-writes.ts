/**
 * Trap 1: requests that lie in a stopped master's socket buffers and run when it wakes up. These connections send to the
 * master before, at and after its stop, through the LB address and straight to its internal address, never give up
 * waiting, and write down what it answers, hours later if need be.
 *
 * Each write has a key of its own, or is a value of its own at the end of a list, so that the read-back finds every one
 * that took effect.
 */
import { push } from './deeds.ts';
import type { Recorder, Intent, End, Pending } from './recorder.ts';
import { openConnection, type Connection, type ConnectionSettings } from './connection.ts';
import type { ShardKeys } from './keys.ts';

export type Path = 'lb' | 'direct';

/** Every so many of what is sent is a push to one list. */
const pushEvery = 4;

export interface QueueWorld {
  readonly recorder: Recorder;
  /** Command timeout longer than the run: nothing may be given up. */
  readonly connection: ConnectionSettings;
  readonly keys: ShardKeys;
  readonly shard: number;
  /** Id of the node under test. */
  readonly node: string;
}

export interface QueueFigures {
  sent: number;
  acknowledged: number;
  refused: number;
  /** Closed without an answer. */
  unanswered: number;
}

export class Queue {
  readonly figures: Record<Path, QueueFigures> = { lb: emptyFigures(), direct: emptyFigures() };
  /** All writes and pushes sent. */
  readonly sent: Pick<Pending, 'op' | 'key'>[] = [];
  readonly #world: QueueWorld;
  readonly #connections: { readonly path: Path; readonly name: string; readonly connection: Connection }[] = [];
  readonly #open: Promise<unknown>[] = [];
  #count = 0;

  constructor(world: QueueWorld) {
    this.#world = world;
  }

  /**
   * Opens `count` connections that `send` uses from then on. One that cannot be opened is left out.
   * @param isNode whether the other end is taken for the node under test while it cannot say so (it stands still).
   * @returns how many were opened.
   */
  async connect(path: Path, address: string, count: number, isNode = false): Promise<number> {
    const opened = await Promise.allSettled(
      Array.from({ length: count }, () => openConnection(address, this.#world.connection)),
    );
    let good = 0;
    for (const result of opened) {
      if (result.status === 'rejected') continue;
      const { value: connection } = result;
      // Its own word counts as soon as it gives one: a busy balancer may have accepted only after the repoint.
      const node = (): string | null => connection.node() ?? (isNode ? this.#world.node : null);
      const name = `queue-${path}-${this.#connections.length}`;
      this.#connections.push({ path, name, connection: { ...connection, node } });
      good++;
    }
    return good;
  }

  /** Resolves when every connection's node named itself or the connection was lost. */
  async named(): Promise<void> {
    await Promise.all(this.#connections.map(({ connection }) => connection.named));
  }

  /** Sends `count` writes, and as many reads of `readKeys`, on every connection that is still open; waits for nothing. */
  send(count: number, readKeys: readonly string[] = []): void {
    for (const { path, name, connection } of this.#connections) {
      if (!connection.client.isOpen) continue;
      for (let i = 0; i < count; i++) {
        const number = this.#count++;
        this.figures[path].sent++;
        const isPush = number % pushEvery === 0;
        const key = isPush ? this.#world.keys.mixed.late : this.#world.keys.fresh(`queued:${number}`);
        const value = `queued-${number}`;
        this.sent.push({ op: isPush ? 'push' : 'write', key });
        const end = isPush ? this.#push(name, connection, key, value) : this.#play(name, connection, key, value);
        this.#open.push(end.then((how) => countEnd(this.figures[path], how)));
      }
      for (const key of readKeys) this.#open.push(this.#play(name, connection, key));
    }
  }

  /** Closes what is open; then every operation is recorded, those without an answer as unknown. */
  async close(): Promise<void> {
    for (const { connection } of this.#connections) connection.client.close();
    await Promise.all(this.#open);
  }

  #push(name: string, connection: Connection, key: string, value: string): Promise<End> {
    const { shard, recorder } = this.#world;
    const deed = push(key, value);
    const actor = { client: name, phase: 'queued', shard, address: connection.address, key } as const;
    return recorder.recordDeed(actor, deed, () => connection.client.command(...deed.args), connection.node);
  }

  #play(name: string, connection: Connection, key: string, value?: string): Promise<End> {
    const fields = {
      client: name,
      phase: 'queued',
      shard: this.#world.shard,
      address: connection.address,
      key,
    } as const;
    const intent: Intent = value === undefined ? fields : { ...fields, value };
    const args = value === undefined ? ['GET', key] : ['SET', key, value];
    return this.#world.recorder.record(intent, () => connection.client.command(...args), connection.node);
  }
}

function emptyFigures(): QueueFigures {
  return { sent: 0, acknowledged: 0, refused: 0, unanswered: 0 };
}

function countEnd(figures: QueueFigures, end: End): void {
  if (end.kind === 'reply') figures.acknowledged++;
  else if (end.kind === 'refused') figures.refused++;
  else figures.unanswered++;
}

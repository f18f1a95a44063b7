/**
 * A topology that was handed in is refused: a value, not an exception, because refusing is part of the protocol and the
 * caller keeps what it has.
 */
export class TopologyRefusal {
  /** Without the error prefix, e.g. `Slot is out of range`. */
  readonly reason: string;
  /** The error's class as clients see it: the first word of the reply. */
  readonly prefix: 'ERR' | 'CLUSTERDOWN';
  /** Line of the payload or file it was found in, from 1; undefined when it concerns no single line. */
  readonly line: number | undefined;

  constructor(reason: string, options: { line?: number; prefix?: 'ERR' | 'CLUSTERDOWN' } = {}) {
    this.reason = reason;
    this.prefix = options.prefix ?? 'ERR';
    this.line = options.line;
  }

  /** The whole error line of a reply. */
  get message(): string {
    return `${this.prefix} ${this.reason}`;
  }
}

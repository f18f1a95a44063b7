/**
 * MONITOR: connections that are sent a line for each executed command. An administrator sees all, others those of their own
 * namespace (Kvrocks' rule, its default namespace being the administrator's). Administrative commands are not shown, nor are
 * secrets, nor what a monitoring connection sends itself. Who does not read is cut as any slow reader is.
 */
import type { ExecutedCommand } from '../execution/command-observer.ts';
import { flagBits } from '../execution/command-entry.ts';
import { hidden, isSecret, quoted, type SecretDirectives } from './shown-arguments.ts';

/** A connection that may monitor. */
export interface Monitoring {
  readonly id: number;
  readonly admin: boolean;
  readonly namespace: { readonly name: string };
  monitoring: boolean;
}

type ShownCommand = Omit<ExecutedCommand, 'durationUs' | 'isDone'>;

export class Monitors {
  readonly #monitoring = new Map<number, Monitoring>();
  readonly #secrets: SecretDirectives;
  readonly #send: (to: Monitoring, line: Buffer) => void;

  /** @param send hands over bytes of RESP that nobody asked for, to be sent with the tick. */
  constructor(secrets: SecretDirectives, send: (to: Monitoring, line: Buffer) => void) {
    this.#secrets = secrets;
    this.#send = send;
  }

  get count(): number {
    return this.#monitoring.size;
  }

  add(connection: Monitoring): void {
    connection.monitoring = true;
    this.#monitoring.set(connection.id, connection);
  }

  remove(connection: Monitoring): void {
    connection.monitoring = false;
    this.#monitoring.delete(connection.id);
  }

  show(command: ShownCommand): void {
    const { session, entry, origin } = command;
    // One that waited was shown when it began to.
    if (origin === 'wait' || (entry.bits & flagBits.admin) !== 0) return;
    let line: Buffer | undefined;
    for (const connection of this.#monitoring.values()) {
      if (connection.id === session.id) continue;
      if (!connection.admin && connection.namespace.name !== session.namespace.name) continue;
      line ??= Buffer.from(this.#line(command), 'latin1');
      this.#send(connection, line);
    }
  }

  /** `+<seconds>.<microseconds> [<database> <address>] "<argument>" ...` */
  #line({ session, request, entry, nowMs, origin }: ShownCommand): string {
    const seconds = Math.floor(nowMs / 1000);
    const micros = String(Math.floor((nowMs % 1000) * 1000)).padStart(6, '0');
    let text = `+${seconds}.${micros} [0 ${origin === 'script' ? 'lua' : session.peer}]`;
    for (let i = 0; i < request.count; i++) {
      const shown = isSecret(entry.definition.name, request, i, this.#secrets) ? hidden : request.bytes(i);
      text += ` ${quoted(shown)}`;
    }
    return `${text}\r\n`;
  }
}

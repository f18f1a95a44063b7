/** A connection that shows replies as the bytes they came as. Its framing is its own, not that of our packages. */
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';

/** Where the reply that begins at `at` ends; -1 when it has not arrived whole. */
function replyEnd(bytes: string, at: number): number {
  const lineEnd = bytes.indexOf('\r\n', at);
  if (lineEnd < 0) return -1;
  const end = lineEnd + 2;
  const count = Number(bytes.slice(at + 1, lineEnd));
  const kind = bytes[at] as string;
  if (kind === '$' || kind === '=') {
    if (count < 0) return end;
    return end + count + 2 <= bytes.length ? end + count + 2 : -1;
  }
  let next = end;
  const parts = '*~>'.includes(kind) ? count : kind === '%' ? 2 * count : 0;
  for (let i = 0; i < parts && next >= 0; i++) next = replyEnd(bytes, next);
  return next;
}

export function requestOf(args: readonly string[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('')}`;
}

export class Wire {
  readonly socket: Socket;
  closed = false;
  #received = '';
  #wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('latin1').setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      this.#received += String(chunk);
      this.#wake();
    });
    socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
  }

  static async connect(port: number): Promise<Wire> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new Wire(socket);
  }

  send(commands: readonly (readonly string[])[]): void {
    this.socket.write(commands.map(requestOf).join(''), 'latin1');
  }

  /** Waits for so many replies. @returns fewer when the connection ended before. */
  async replies(count: number): Promise<string[]> {
    const replies: string[] = [];
    let at = 0;
    while (replies.length < count) {
      const end = replyEnd(this.#received, at);
      if (end >= 0) {
        replies.push(this.#received.slice(at, end));
        at = end;
      } else if (this.closed) break;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    this.#received = this.#received.slice(at);
    return replies;
  }

  async ask(...args: string[]): Promise<string> {
    this.send([args]);
    const [reply] = await this.replies(1);
    if (reply === undefined) throw new Error(`${args[0]}: the connection ended`);
    return reply;
  }

  close(): void {
    this.socket.destroy();
  }
}

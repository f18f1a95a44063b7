/** Commands as bytes: a RESP array of bulk strings, the form every server reads. */

/** One argument: text is sent as UTF-8, numbers in decimal. */
export type CommandArgument = string | Uint8Array | number | bigint;

const lineEnd = Buffer.from('\r\n');

/** @param args the command's name and its arguments; at least one. */
export function encodeCommand(args: readonly CommandArgument[]): Buffer {
  const parts: Uint8Array[] = [Buffer.from(`*${args.length}\r\n`)];
  for (const arg of args) {
    const bytes = arg instanceof Uint8Array ? arg : Buffer.from(String(arg));
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, lineEnd);
  }
  return Buffer.concat(parts);
}

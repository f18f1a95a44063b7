/** Commands that sections ask servers with. */
import { ReplyError, textOf, type RespClient } from '@holdfast/resp';

/** Sends a command that must succeed. @throws Error with the server's words. */
export async function ask(client: RespClient, ...args: readonly string[]): Promise<string> {
  const reply = await client.command(...args);
  if (reply instanceof ReplyError) throw new Error(`${args.slice(0, 2).join(' ')} was refused: ${reply.message}`);
  return typeof reply === 'number' || typeof reply === 'bigint' ? String(reply) : (textOf(reply) ?? '');
}

/** INFO as a map. */
export async function infoOf(client: RespClient, section?: string): Promise<Map<string, string>> {
  return readInfo(await ask(client, 'INFO', ...(section === undefined ? [] : [section])));
}

export function readInfo(text: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(':');
    if (colon > 0 && !line.startsWith('#')) fields.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return fields;
}

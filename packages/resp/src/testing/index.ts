/** What tests of other packages need to read and write RESP in one call. */
import { ReplyDecoder } from '../reply-decoder.ts';
import type { Reply } from '../reply.ts';

/**
 * All replies of complete bytes.
 * @throws Error when the bytes end inside a reply.
 */
export function decodeReplies(bytes: Uint8Array): Reply[] {
  const decoder = new ReplyDecoder();
  decoder.push(Buffer.from(bytes));
  const replies: Reply[] = [];
  for (let reply = decoder.next(); reply !== undefined; reply = decoder.next()) replies.push(reply);
  if (decoder.bufferedBytes > 0) throw new Error(`${decoder.bufferedBytes} bytes of an unfinished reply`);
  return replies;
}

export { Request } from './request.ts';
export { RequestDecoder, defaultRequestLimits, type RequestLimits } from './request-decoder.ts';
export { KeysAhead } from './keys-ahead.ts';
export { ReplyWriter } from './reply-writer.ts';
export { giveBack, smallestRoomBytes, spareReplyBytes } from './reply-memory.ts';
export { repliesBytesMax } from './limits.ts';
export { ReplyDecoder, type ReplyLimits } from './reply-decoder.ts';
export {
  ReplyError,
  ReplyMap,
  ReplyPush,
  ReplySet,
  RespDouble,
  Verbatim,
  itemsOf,
  textOf,
  type Reply,
} from './reply.ts';
export { encodeCommand, type CommandArgument } from './encode-command.ts';
export { RespClient, type HandedOver, type RespClientOptions, type RespConnectOptions } from './client.ts';
import './buffer-types.ts';

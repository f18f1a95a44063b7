export { Request } from './request.ts';
export { ReplyWriter } from './reply-writer.ts';

/** Bounds of what a peer may make us hold: while its replies are read, and for the replies it gets. */

/** Aggregates within aggregates. CLUSTER SLOTS needs 4, XINFO STREAM FULL 6. */
export const replyDepthMax: number = 32;
/** Elements one aggregate may announce. */
export const replyElementsMax: number = 16_777_216;
/** Bytes of one bulk string. */
export const replyBulkBytesMax: number = 512 * 1024 * 1024;
/** Bytes of one whole reply. */
export const replyBytesMax: number = 2 * 1024 * 1024 * 1024;
/** Bytes of a line: simple strings, errors, numbers. */
export const replyLineBytesMax: number = 64 * 1024;
/** Commands of one client that wait for their replies. */
export const pendingCommandsMax: number = 100_000;
/** Bytes of replies of one connection that wait to be sent. */
export const repliesBytesMax: number = 1024 * 1024 * 1024;

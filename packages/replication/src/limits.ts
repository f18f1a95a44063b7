/** Bounds of what a peer may make us hold, and the times of the protocol. Reasons beside each; units in the names. */

/** A handshake line. The longest that is legal is an error with the peer's words in it. */
export const handshakeLineBytesMax: number = 64 * 1024;
/** One batch as a bulk. A value is at most 512 MiB; a MULTI of some of them is one batch. */
export const batchBytesMax: number = 1024 * 1024 * 1024;
/** Received batches that are applied in one call: more would hold the event loop for too long. */
export const applyBytesMax: number = 4 * 1024 * 1024;

/** Read from the WAL in one turn of the event loop for a follower that catches up. */
export const catchUpPieceBytes: number = 512 * 1024;
/** A catching-up follower with more than this unsent is not read for. */
export const catchUpUnsentBytesMax: number = 1024 * 1024;
/** A live follower with more than this unsent is sent nothing live any more; it goes on from the WAL once it has read. */
export const liveUnsentBytesMax: number = 64 * 1024 * 1024;
/** Replies wait for a follower's socket (`handedOver`) only while it takes something at least this often ... */
export const stalledFollowerMs: number = 100;
/** ... and while nothing it was sent has waited for longer than this: a slow follower delays nobody for long. */
export const handOverMsMax: number = 300;
/** What is unsent is looked at again after this: the operating system does not always say that it took the rest. */
export const progressPollMs: number = 1;
/** `ping` on a link that carried nothing for this long. */
export const pingIdleMs: number = 2000;
/** Pings and send timeouts are looked at this often. */
export const housekeepingMs: number = 250;
/** `replication-send-timeout-ms`: a follower that takes nothing of what is unsent for this long is cut. */
export const sendTimeoutMs: number = 30_000;
/** Bytes of an ack: `*3 replconf ack <20 digits>` needs 48. */
export const ackBytesMax: number = 256;

/** A master that sends nothing for this long, although it pings every 2 s, is left and connected to again. */
export const silentMasterMs: number = 10_000;
/** An ack to a master that does not ask for one after every turn: at most this often. */
export const ackPeriodMs: number = 1000;
/** A master that does not read acks (Kvrocks before 2.14) is sent no more of them beyond this. */
export const unsentAckBytesMax: number = 16 * 1024;
/** `applyAllReceived` reads no longer than this from a master that goes on sending. */
export const drainMsMax: number = 500;

/** Names in a `_fetch_meta` line: a checkpoint of 100,000 files has about 2 MiB of them. */
export const fileListBytesMax: number = 16 * 1024 * 1024;
/** More files than this are fetched over `fileConnections` connections. */
export const singleConnectionFiles: number = 20;
export const fileConnections: number = 4;
/** File content is moved in pieces of this size. */
export const fileChunkBytes: number = 256 * 1024;
/** A `_fetch_file` size line. */
export const sizeLineBytesMax: number = 32;
/** A checkpoint nobody reads is removed after this. */
export const checkpointIdleMs: number = 30_000;
/** No checkpoint is kept longer than this, read or not. */
export const checkpointAgeMsMax: number = 24 * 3600 * 1000;

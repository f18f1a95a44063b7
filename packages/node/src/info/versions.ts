/** The versions a node reports. */

/** The Redis whose behaviour and error texts the commands follow; what clients look at. */
export const redisVersion = '7.0.0';
/** The Kvrocks whose directories, protocol and directives are understood. */
export const kvrocksVersion = '2.10.1';
export const holdfastVersion = '0.1.0';

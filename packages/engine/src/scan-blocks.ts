/**
 * Memory for entries that an iteration hands on at once, used again and again by all iterations of this thread: new memory for
 * each reply has V8, which counts it as its own, look for garbage many times a second.
 */
const blockBytes = 64 << 10;
/** Iterations that are under way at once; more of them have memory of their own. */
const keptMax = 8;

const spares: Buffer[] = [];

/** @returns a buffer with anything in it. */
export function takeScanBlock(): Buffer {
  return spares.pop() ?? Buffer.allocUnsafeSlow(blockBytes);
}

/** Nobody reads it any more. To be said once. */
export function giveScanBlock(block: Buffer): void {
  if (spares.length < keptMax) spares.push(block);
}

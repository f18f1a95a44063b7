/**
 * Node's Buffer has direct slice and write methods per encoding that skip the argument juggling of `toString` and
 * `write`. They are on Buffer.prototype in every Node release but missing from @types/node.
 */
declare global {
  interface Buffer {
    latin1Slice(start: number, end: number): string;
    utf8Slice(start: number, end: number): string;
    latin1Write(text: string, offset: number): number;
    utf8Write(text: string, offset: number): number;
  }
}
export {};

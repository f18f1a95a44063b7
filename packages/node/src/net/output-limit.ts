/**
 * `client-output-buffer-limit`: how much unsent output a client may have, at once (hard) and for a while (soft); beyond it
 * the client is cut. Clients that ask and answer are held back long before, since nothing more of theirs is executed above
 * a bound; the limits are for what comes unasked, such as published messages.
 */

export interface OutputLimit {
  /** 0: none. */
  readonly hardBytes: number;
  /** 0: none. */
  readonly softBytes: number;
  readonly softMs: number;
}

/** Watches one client. */
export class OutputWatch {
  /** Since when it has had more than the soft limit. */
  #softSinceMs: number | undefined;

  /**
   * Whether the client is to be cut. To be asked when its output has grown, and now and then.
   * @param nowMs lease clock.
   */
  exceeds(bytes: number, { hardBytes, softBytes, softMs }: OutputLimit, nowMs: number): boolean {
    if (hardBytes > 0 && bytes > hardBytes) return true;
    if (softBytes === 0 || bytes <= softBytes) {
      this.#softSinceMs = undefined;
      return false;
    }
    this.#softSinceMs ??= nowMs;
    return nowMs - this.#softSinceMs >= softMs;
  }
}

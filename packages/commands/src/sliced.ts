/**
 * Replies of a million elements are not written in one go: that would hold up every other client. A command that finds more
 * than `slicedAbove` elements hands over an object that writes the rest in slices, between which others run; it reads from a
 * detached iteration (a snapshot), so that the reply shows one moment. No next slice is asked for while the peer does not
 * take what was written, so a slow reader costs no memory.
 */
import type { ReplyWriter } from '@holdfast/resp';

/** Elements above which a reply is sliced, where it may be. */
export const slicedAbove = 8192;
/** Elements that one slice should write. */
export const sliceElements = 2048;

export interface SlicedReply {
  /**
   * Writes up to about `sliceElements` elements; a slice that only looks (for a place, for a count) may write nothing.
   * @returns false when it was the last slice.
   * @throws when the rest cannot be written as announced: the connection ends, since the reply has begun.
   */
  next(reply: ReplyWriter): boolean;
  /** Called once at the end, also when the connection goes first. Lets the iteration go. */
  close(): void;
}

export interface SlicePort {
  /**
   * Goes on with the reply of the running command, of which `run` has written the header and nothing else; not even that
   * when the header is known only after counting: then a slice writes it.
   */
  begin(sliced: SlicedReply): void;
}

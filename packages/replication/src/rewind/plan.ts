/**
 * What a rewind does next, from what is found: on disk and of the database. Pure; rewind.ts does it.
 *
 * To take back everything after sequence S:
 *
 *   1. save      the batches after S go into a rollback file, whole before it has its name
 *   2. mark      a marker says: this directory is to end at S, and may be neither what it was nor what it is to be
 *   3. reopen    the database is opened so that its log ends at S, and every other log file is deleted, archived ones too:
 *                a tail of the log would hand the divergent batches to the own replicas
 *   4. unmark
 *
 * Before 2 the database is what it was. From 2 to 4 nobody opens it but step 3, which any crash repeats. After 4 it is
 * rewound. What cannot be rewound is given up for a full sync, and is kept in the rollback directory before: as a file of
 * batches where the log still has them all, else as the whole database directory.
 */
import type { RewindMarker } from './marker.ts';

/** The database is open, and nothing stands in its directory but itself. */
export interface OpenFound {
  readonly kind: 'open';
  /** Last sequence that is to stay. */
  readonly keep: number;
  readonly latest: number;
  /** Largest sequence that a live table file admits to: what is above `keep` there cannot be taken back. */
  readonly flushedThrough: number;
  readonly batches: 'not-saved' | 'saved' | 'not-in-the-log';
}

/** What came of opening a marked database. */
export type MarkedAttempt =
  | { readonly kind: 'none' }
  /** Opened with its log stopped at the marker's sequence; `latest` is where it ends now. */
  | { readonly kind: 'stopped'; readonly latest: number }
  /** It cannot be stopped there. */
  | { readonly kind: 'refused' }
  /** Opened as it is, after it was refused. */
  | { readonly kind: 'as-it-is'; readonly latest: number }
  /** Its files are damaged. */
  | { readonly kind: 'damaged' }
  /** No space, another process, an I/O error: says nothing of the database. */
  | { readonly kind: 'hindered' };

export interface MarkedFound {
  readonly kind: 'marked';
  readonly marker: RewindMarker;
  readonly hasDatabase: boolean;
  readonly attempt: MarkedAttempt;
}

export type RewindFound = OpenFound | MarkedFound;

export type RewindStep =
  /** Write the rollback file. */
  | 'save'
  /** Write the marker. */
  | 'mark'
  /** Open the database with its log stopped. */
  | 'open-stopped'
  /** Open the database as a start does. */
  | 'open-as-it-is'
  /** Move the database directory into the rollback directory. */
  | 'move-database'
  /** Remove the marker; then what stands in the directory may be used. */
  | 'unmark'
  /** The same again, later. */
  | 'wait'
  /** The database ends where it is to end. */
  | 'rewound'
  /** What is in the way of a full sync is kept; the master's data may replace the rest. */
  | 'full-sync';

export function nextRewindStep(found: RewindFound): RewindStep {
  return found.kind === 'open' ? stepOpen(found) : stepMarked(found);
}

function stepOpen({ keep, latest, flushedThrough, batches }: OpenFound): RewindStep {
  if (latest <= keep) return 'rewound';
  switch (batches) {
    case 'not-saved':
      return 'save';
    case 'not-in-the-log':
      return 'move-database';
    case 'saved':
      return flushedThrough > keep ? 'full-sync' : 'mark';
    default:
      return batches satisfies never;
  }
}

function stepMarked({ marker, hasDatabase, attempt }: MarkedFound): RewindStep {
  // It was moved away; what comes next begins anew.
  if (!hasDatabase) return 'unmark';
  switch (attempt.kind) {
    case 'none':
      return 'open-stopped';
    case 'stopped':
      return attempt.latest === marker.keep ? 'unmark' : 'move-database';
    case 'refused':
      return 'open-as-it-is';
    case 'as-it-is':
      // A refusal changes nothing; a directory that ends elsewhere than before was refused half-way.
      return attempt.latest === marker.whole.last ? 'unmark' : 'move-database';
    case 'damaged':
      return 'move-database';
    case 'hindered':
      return 'wait';
    default:
      return attempt satisfies never;
  }
}

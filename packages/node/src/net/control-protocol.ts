/** What the main loop and the control thread say to each other. */
import type { NodeReport } from '../lease/heartbeat.ts';

export type ToControl =
  | { readonly kind: 'report'; readonly report: NodeReport }
  | { readonly kind: 'password'; readonly password: string }
  | { readonly kind: 'reply'; readonly call: number; readonly bytes: Uint8Array }
  | { readonly kind: 'stop' };

export type FromControl =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'call'; readonly call: number; readonly peer: string; readonly args: readonly Uint8Array[] }
  | { readonly kind: 'renewed' }
  /** A heartbeat named an epoch above the node's. */
  | { readonly kind: 'saw-epoch'; readonly epoch: number };

/** Handed to the thread at its start. */
export interface ControlThreadData {
  readonly shared: SharedArrayBuffer;
  readonly host: string;
  readonly port: number;
  readonly password: string;
  readonly processId: string;
  readonly stallLimitMs: number;
  readonly report: NodeReport;
}

/** A group of slots handed from one shard to another. */
import type { Controller } from './controller.ts';
import type { Command } from './server-connection.ts';
import type { SimNode } from './sim-node.ts';

export interface HandoverJob {
  readonly group: number;
  readonly from: number;
  readonly to: number;
}

/** What a node's process knows of a handover. */
export interface HandoverEnd {
  refusal(command: Command): string | undefined;
}

export function runHandover(_controller: Controller): void {
  // Nothing is handed over yet.
}

export function mayHaveTopology(_controller: Controller, _node: SimNode): boolean {
  return true;
}

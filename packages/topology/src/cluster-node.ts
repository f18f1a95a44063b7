/** One node as the topology describes it, and the words for its parts. */
import type { Endpoint } from '@holdfast/base';

declare const nodeIdBrand: unique symbol;
declare const versionBrand: unique symbol;

/** Exactly 40 characters, any but blanks; hexadecimal is usual and not required. */
export type NodeId = string & { readonly [nodeIdBrand]: true };

/** Orders topologies: an int64, kept as bigint so that it is never rounded. -1 before any topology. */
export type Version = bigint & { readonly [versionBrand]: true };

export const nodeIdLength = 40;

/** The version of a node that was given no topology yet. */
export const noVersion: Version = -1n as Version;

export function isNodeId(text: string): text is NodeId {
  return text.length === nodeIdLength && !/[ \t\r\n]/.test(text);
}

const int64Limit = 2n ** 63n;

/** Reads an int64 in decimal; undefined when `text` is none. */
export function parseVersion(text: string): Version | undefined {
  if (!/^[+-]?[0-9]{1,30}$/.test(text)) return undefined;
  const value = BigInt(text.startsWith('+') ? text.slice(1) : text);
  return value >= -int64Limit && value < int64Limit ? (value as Version) : undefined;
}

interface NodeFacts {
  readonly id: NodeId;
  /** Where other nodes and controllers reach it: replication and migration use this, never the LB address. */
  readonly internal: Endpoint;
  /** Where clients reach the node that holds this role now; undefined: clients use the internal address. */
  readonly lb: Endpoint | undefined;
}

export interface MasterNode extends NodeFacts {
  readonly role: 'master';
}

export interface ReplicaNode extends NodeFacts {
  readonly role: 'replica';
  /** May name a node that the topology does not contain (Kvrocks accepts that). */
  readonly masterId: NodeId;
  /** The controller found it dead (`slave,fail`). It is a replica in every other way. */
  readonly failed: boolean;
}

export type ClusterNode = MasterNode | ReplicaNode;

/** Whose addresses an answer shows: what clients dial, or what nodes dial. Directive `cluster-client-view`. */
export type ClientView = 'lb' | 'internal';

/** The address of `node` to hand to a client. */
export function clientEndpoint(node: ClusterNode, view: ClientView): Endpoint {
  return view === 'lb' ? (node.lb ?? node.internal) : node.internal;
}

/**
 * What stops a command that is known, well formed and admitted by the lease: slot routing, and the node's condition. The
 * answers are whole error lines.
 */
import type { Logger } from '@holdfast/base';
import type { CommandDefinition } from '@holdfast/commands';
import { gateErrors, type Admission } from '@holdfast/fencing';
import type { Request } from '@holdfast/resp';
import type { ClientConnection } from '../net/client-connection.ts';
import { flagBits } from './command-entry.ts';

/** Slot routing of a cluster node; absent outside cluster mode. */
export interface ClusterRouter {
  /**
   * Judges one request.
   * @returns undefined to execute, else the whole error line to answer. `closes` on the router tells whether the
   *   connection is to be closed after it (a redirect to the address the client already uses).
   */
  route(entry: CommandDefinition, request: Request, connection: ClientConnection, isWrite: boolean): string | undefined;
  readonly closes: boolean;
}

/** What the node's condition forbids at the moment. Plain data, kept up to date by its owners. */
export interface NodeCondition {
  /** A checkpoint is being restored. */
  loading: boolean;
  /** `slave-read-only yes` and a replica. */
  readOnly: boolean;
  /** `slave-serve-stale-data no` and the link is down. */
  stale: boolean;
  /** Why writes are refused (disk nearly full, failed commit): a whole error line. */
  writesRefused: string | undefined;
  /** Fewer in-sync nodes than `min-isr`. */
  tooFewReplicas: boolean;
  /** `max-db-size` is reached. */
  sizeLimitReached: boolean;
}

const readOnlyError = "READONLY You can't write against a read only slave.";
const tooFewReplicasError = 'NOREPLICAS Not enough good replicas to write.';
const staleError = "MASTERDOWN Link with MASTER is down and slave-serve-stale-data is set to 'no'.";
const sizeLimitError = 'ERR write command not allowed when reached max-db-size.';

export interface RefusalsEnvironment {
  readonly condition: NodeCondition;
  readonly router: ClusterRouter | undefined;
  readonly logger: Logger;
}

export class Refusals {
  readonly #env: RefusalsEnvironment;

  constructor(env: RefusalsEnvironment) {
    this.#env = env;
  }

  /** Routing and the node's condition: the error that stops the command, or undefined. May ask the connection to close. */
  of(
    connection: ClientConnection,
    request: Request,
    definition: CommandDefinition,
    { bits, admission }: { bits: number; admission: Admission },
  ): string | undefined {
    const { condition, logger } = this.#env;
    const isWrite = (bits & flagBits.write) !== 0;
    const redirect = this.ofRoute(connection, request, definition, isWrite);
    if (redirect !== undefined) {
      if (this.#env.router?.closes === true) connection.closeAfterReply();
      return redirect;
    }
    // Replicas always answer topology questions, however old they may be.
    const isOld = admission === 'master-down' || admission === 'await-master';
    if (isOld && (bits & flagBits.stale) === 0) return gateErrors.masterDown;
    if (admission === 'execute-and-log') logger.warn('the master lease has expired', { command: definition.name });
    if (isWrite) {
      const refusal = this.ofWrite(bits);
      if (refusal !== undefined) return refusal;
    }
    if (condition.stale && (bits & flagBits.stale) === 0) return staleError;
    return undefined;
  }

  /** Routing alone: for what is queued. */
  ofRoute(
    connection: ClientConnection,
    request: Request,
    definition: CommandDefinition,
    isWrite: boolean,
  ): string | undefined {
    return this.#env.router?.route(definition, request, connection, isWrite);
  }

  /** Why nothing may be written now. */
  ofWrite(bits: number): string | undefined {
    const { condition } = this.#env;
    if (condition.readOnly) return readOnlyError;
    if (condition.tooFewReplicas) return tooFewReplicasError;
    if ((bits & flagBits['no-dbsize-check']) !== 0) return undefined;
    return condition.writesRefused ?? (condition.sizeLimitReached ? sizeLimitError : undefined);
  }
}

/** Bytes of an unknown command's arguments that its error repeats. */
const shownBytesMax = 128;

/** Redis 7.2's text: the name and the beginning of the arguments, bounded. */
export function unknownCommand(request: Request): string {
  const name = request.latin1(0).slice(0, shownBytesMax);
  let shown = '';
  for (let i = 1; i < request.count && shown.length < shownBytesMax; i++) {
    shown += `'${request.latin1(i).slice(0, shownBytesMax - shown.length)}' `;
  }
  return `ERR unknown command '${name}', with args beginning with: ${shown}`;
}

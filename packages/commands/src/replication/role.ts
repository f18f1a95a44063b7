/** What clients and operators ask: SLAVEOF, REPLICAOF, ROLE, WAIT. Kvrocks `src/commands/cmd_server.cc`. */
import type { ReplyWriter, Request } from '@holdfast/resp';
import { define, errors, noKeys, Refusal, type CommandDefinition } from '../command.ts';
import type { ReplicationPort, RoleFacts } from './port.ts';

type SlaveofInput =
  { readonly kind: 'nobody' } | { readonly kind: 'host'; readonly host: string; readonly port: number };

export function parseSlaveof(request: Request): SlaveofInput | Refusal {
  if (request.is(1, 'no') && request.is(2, 'one')) return { kind: 'nobody' };
  const port = request.integer(2);
  if (!(port >= 1 && port <= 65_535)) return new Refusal('ERR port should be number');
  return { kind: 'host', host: request.latin1(1), port };
}

function slaveof(port: ReplicationPort, name: 'slaveof' | 'replicaof'): CommandDefinition {
  return define<SlaveofInput>({
    name,
    arity: 3,
    flags: ['readonly', 'admin', 'exclusive', 'no-script', 'stale'],
    keys: noKeys,
    group: 'replication',
    since: name === 'slaveof' ? '1.0.0' : '5.0.0',
    complexity: 'O(1)',
    summary: 'Makes the node a replica of another one, or a master (NO ONE). Refused in cluster mode.',
    parse: parseSlaveof,
    run(call, input, reply): void {
      if (port.clusterEnabled()) reply.error("ERR can't change to slave in cluster mode");
      else if (port.walDisabled()) reply.error("ERR slaveof doesn't work with disable_wal option");
      else {
        const deferred = call.session.defer();
        const answer = (refusal: string | undefined): void =>
          deferred.complete((late) => (refusal === undefined ? late.ok() : late.error(refusal)));
        if (input.kind === 'nobody') port.followNobody(answer);
        else port.followNamed(input.host, input.port, answer);
      }
    },
  });
}

function role(port: ReplicationPort): CommandDefinition {
  return define<null>({
    name: 'role',
    arity: 1,
    flags: ['readonly', 'loading', 'fast'],
    keys: noKeys,
    group: 'replication',
    since: '2.8.12',
    complexity: 'O(N) in the number of replicas',
    summary: 'The role, the sequence, and who replicates from or to this node.',
    parse: () => null,
    run(_call, _input, reply): void {
      writeRole(port.role(), reply);
    },
  });
}

/** As Kvrocks: everything is a bulk string, and a master without replicas leaves their array out. */
function writeRole(facts: RoleFacts, reply: ReplyWriter): void {
  if (facts.role === 'replica') {
    reply.array(5);
    for (const text of ['slave', facts.host, String(facts.port), facts.state, String(facts.sequence)])
      reply.bulkText(text);
    return;
  }
  reply.array(facts.replicas.length > 0 ? 3 : 2);
  reply.bulkText('master');
  reply.bulkText(String(facts.sequence));
  if (facts.replicas.length === 0) return;
  reply.array(facts.replicas.length);
  for (const { host, port, offset } of facts.replicas) {
    reply.array(3);
    for (const text of [host, String(port), String(offset)]) reply.bulkText(text);
  }
}

interface WaitInput {
  readonly replicas: number;
  readonly timeoutMs: number;
}

export function parseWait(request: Request): WaitInput | Refusal {
  const replicas = request.integer(1);
  const timeoutMs = request.integer(2);
  if (!(replicas >= 0)) return new Refusal(errors.notInteger);
  if (Number.isNaN(timeoutMs)) return new Refusal('ERR timeout is not an integer or out of range');
  if (timeoutMs < 0) return new Refusal('ERR timeout is negative');
  // A timer holds 2^31 - 1 ms at most; that is 24 days.
  return { replicas, timeoutMs: Math.min(timeoutMs, 2 ** 31 - 1) };
}

function wait(port: ReplicationPort): CommandDefinition {
  return define<WaitInput>({
    name: 'wait',
    arity: 3,
    flags: ['readonly', 'blocking'],
    keys: noKeys,
    group: 'replication',
    since: '3.0.0',
    complexity: 'O(1)',
    summary:
      'Waits until so many replicas have acknowledged every write that is visible now; in EXEC and scripts, not.',
    parse: parseWait,
    run(call, { replicas, timeoutMs }, reply): void {
      if (call.waits === undefined) reply.integer(port.ackedReplicas());
      else port.waitForAcks(replicas, timeoutMs, call.session);
    },
  });
}

export function roleCommands(port: ReplicationPort): CommandDefinition[] {
  return [slaveof(port, 'slaveof'), slaveof(port, 'replicaof'), role(port), wait(port)];
}

/**
 * Stands in for the `holdfast` program in tests of what starts it: the same subcommands and arguments, the same
 * readiness, nothing behind them. As the program does, it ends with its parent.
 *
 * A file `misbehave` in the cluster's directory changes it: `die <name>` ends that process with status 7 at once,
 * `ignore-term <name>` makes it deaf to SIGTERM, `mute <name>` has a node answer nothing, so that the start waits for it.
 */
import { createServer as createHttpServer } from 'node:http';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { dieWithParent } from '@holdfast/base/real';

dieWithParent(Number(process.env['HOLDFAST_PARENT_PID']));

const [kind = '', ...rest] = process.argv.slice(2);

function option(name: string): string {
  return rest[rest.indexOf(name) + 1] ?? '';
}

function misbehaviour(directory: string): string {
  try {
    return readFileSync(join(directory, 'misbehave'), 'utf8');
  } catch {
    return '';
  }
}

function begin(directory: string, name: string): void {
  const wanted = misbehaviour(directory);
  if (wanted === `die ${name}`) {
    process.stderr.write(`first line\n${JSON.stringify({ level: 'error', msg: 'the reason' })}\n`);
    process.exit(7);
  }
  process.on('SIGTERM', () => {
    if (wanted === `ignore-term ${name}`) return;
    process.stdout.write(`${name} ends at ${Date.now()}\n`);
    process.exit(0);
  });
}

function serveNode(): void {
  const path = option('-c');
  const directory = dirname(dirname(path));
  const name = basename(dirname(path));
  begin(directory, name);
  const isMute = misbehaviour(directory) === `mute ${name}`;
  const port = Number(/^port (\d+)$/m.exec(readFileSync(path, 'utf8'))?.[1]);
  const answer = isMute ? '' : '+PONG\r\n';
  createServer((socket) => socket.on('error', () => undefined).on('data', () => socket.write(answer))).listen(
    port,
    '127.0.0.1',
  );
}

function serveBalancer(): void {
  begin(dirname(option('--dir')), 'lb');
  createHttpServer((_request, response) => response.end('{"ok":true}')).listen(
    Number(option('--control-port')),
    '127.0.0.1',
  );
}

interface Created {
  readonly nodes: readonly string[];
  readonly replicas: number;
  readonly load_balancers: { readonly masters: readonly string[]; readonly replicas: readonly string[] };
}

/** Keeps the created cluster in a file, so that a second start finds it. */
function serveController(): void {
  const directory = option('--dir');
  begin(dirname(directory), 'controller');
  const file = join(directory, 'created.json');
  const read = (): Created[] => {
    try {
      return [JSON.parse(readFileSync(file, 'utf8')) as Created];
    } catch {
      return [];
    }
  };
  const answer = (path: string): unknown => {
    const [created] = read();
    if (path === '/api/v1/namespaces') return { namespaces: created ? ['holdfast'] : [] };
    if (path.endsWith('/clusters')) return { clusters: created ? ['local'] : [] };
    return created === undefined ? undefined : statusOf(created);
  };
  createHttpServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      const path = request.url ?? '';
      if (request.method === 'POST' && path.endsWith('/clusters')) {
        if (read().length > 0) response.statusCode = 409;
        else writeFileSync(file, body);
      }
      response.end(JSON.stringify({ data: request.method === 'POST' ? {} : answer(path) }));
    });
  }).listen(Number(option('--port')), '127.0.0.1');
}

function statusOf({ nodes, replicas, load_balancers: lbs }: Created): unknown {
  const shards = lbs.masters.map((lb, index) => ({
    index,
    epoch: 1,
    slot_ranges: [`${index}-${index}`],
    phase: 'stable',
    step: null,
    lb_address: lb,
    replica_lb_address: lbs.replicas[index] ?? null,
    lease_valid_for_ms: 900,
    nodes: nodes.slice(index * replicas, (index + 1) * replicas).map((addr, position) => ({
      id: addr.padEnd(40, '0'),
      addr,
      role: position === 0 ? 'master' : 'slave',
      alive: true,
      version: 1,
    })),
  }));
  const bindings = lbs.masters.map((address, index) => {
    const node = nodes[index * replicas] ?? null;
    return { address, desired: node, observed: node, connections: 0 };
  });
  return { cluster: 'local', version: 1, lease_ms: 1000, fences: ['lb', 'lease'], shards, bindings };
}

if (kind === 'server') serveNode();
else if (kind === 'lb') serveBalancer();
else serveController();

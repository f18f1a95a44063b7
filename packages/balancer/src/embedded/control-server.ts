/** The balancer's control face: HTTP and JSON on its own port (docs/reference/balancer-api.md). */
import { OperationError, messageOf, type Logger } from '@holdfast/base';
import { fastify, type FastifyInstance, type FastifyReply } from 'fastify';
import { z } from 'zod';
import { describeIssues, desiredSchema, probeSchema } from '../binding-set.ts';
import type { L4Balancer } from './l4-balancer.ts';
import { tokenMatches } from './token-file.ts';

export interface ControlServerOptions {
  readonly balancer: L4Balancer;
  readonly token: string;
  readonly logger: Logger;
}

const cutSchema = z.strictObject({ address: z.string(), backend: z.string() });

/** Not listening yet. */
export function controlServer({ balancer, token, logger }: ControlServerOptions): FastifyInstance {
  const server = fastify({ bodyLimit: 1024 * 1024, logger: false, forceCloseConnections: true });
  server.setNotFoundHandler((request, reply) => fail(reply, 404, 'BALANCER_NOT_FOUND', `no route ${request.url}`));
  server.setErrorHandler((error: unknown, _request, reply) => answerError(reply, error, logger));
  server.addHook('onRequest', async (request, reply) => {
    if (request.routeOptions.url === '/v1/health') return;
    const given = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
    if (!tokenMatches(token, given))
      await fail(reply, 401, 'BALANCER_UNAUTHORIZED', 'the bearer token is missing or wrong');
  });
  server.get('/v1/health', async () => ({
    ok: true,
    revision: (await balancer.observe()).revision,
    connections: balancer.connectionCount,
    pid: process.pid,
  }));
  server.get('/v1/bindings', () => balancer.observe());
  server.put('/v1/bindings', (request) => balancer.apply(parse(desiredSchema, request.body)));
  server.post('/v1/probes', async (request) => ({ backends: await balancer.probe(parse(probeSchema, request.body)) }));
  server.post('/v1/cut', async (request) => {
    const { address, backend } = parse(cutSchema, request.body);
    return { cut: await balancer.cut(address, backend) };
  });
  return server;
}

function parse<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new OperationError('BALANCER_BAD_REQUEST', describeIssues(parsed.error), { outcome: 'not-applied' });
}

function answerError(reply: FastifyReply, error: unknown, logger: Logger): FastifyReply {
  if (error instanceof OperationError) {
    const status = { BALANCER_STALE_REVISION: 409, BALANCER_BAD_REQUEST: 400 }[error.code] ?? 500;
    if (status === 500) logger.error('a control request failed', { reason: error.message, outcome: error.outcome });
    return fail(reply, status, error.code, error.message, error.outcome);
  }
  // Fastify's own: a body that is no JSON, too large, of another content type.
  const status = (error as { statusCode?: number }).statusCode;
  if (status !== undefined && status < 500) return fail(reply, status, 'BALANCER_BAD_REQUEST', messageOf(error));
  logger.error('a control request failed', { reason: messageOf(error) });
  return fail(reply, 500, 'BALANCER_INTERNAL', messageOf(error), 'unknown');
}

function fail(
  reply: FastifyReply,
  status: number,
  code: string,
  message: string,
  outcome: 'not-applied' | 'unknown' = 'not-applied',
): FastifyReply {
  return reply.status(status).send({ error: { code, message, outcome } });
}

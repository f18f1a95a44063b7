/**
 * The REST routes (base `/api/v1`, shaped as the Kvrocks controller's): each checks path, query and body with a schema
 * and becomes one ApiCall.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { failure, type ApiCall, type ApiReply } from '../api.ts';
import { nameSchema } from '../records.ts';

/** Carries a call to the controller and its reply back. */
export type Caller = (call: ApiCall) => Promise<ApiReply>;

const ofNamespace = z.object({ namespace: nameSchema });
const ofCluster = ofNamespace.extend({ cluster: nameSchema });
/** Digits only: an empty segment would otherwise read as shard 0. */
const shardIndex = z
  .string()
  .regex(/^[0-9]{1,5}$/)
  .transform(Number)
  .pipe(z.number().max(16_383));
const ofShard = ofCluster.extend({ shard: shardIndex });
const address = z.string().min(3).max(300);
const newCluster = z.object({
  name: nameSchema,
  nodes: z.array(address).max(1000),
  replicas: z
    .int()
    .min(0)
    .max(64)
    .default(1)
    // As the Kvrocks controller: nodes per shard, and 0 means 1.
    .transform((replicas) => Math.max(1, replicas)),
  password: z.string().max(1024).default(''),
  load_balancers: z
    .object({ masters: z.array(address).default([]), replicas: z.array(address).default([]) })
    .default({ masters: [], replicas: [] }),
});
const eventsQuery = z.object({
  after: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});
const changeMaster = z
  .object({ preferred_node_id: z.string().max(64).default(''), accept_data_loss: z.boolean().default(false) })
  .nullish();
const controllerId = z.object({ controller: z.string().regex(/^[0-9a-z]{1,64}$/) });

/** Adds all routes to `app`. */
export function addRoutes(app: FastifyInstance, call: Caller): void {
  const answer = async (reply: FastifyReply, made: ApiCall): Promise<void> => {
    const { status, body, redirectTo } = await call(made);
    if (redirectTo !== undefined) void reply.header('location', `${redirectTo}${reply.request.url}`);
    await (status === 204 ? reply.code(204).send() : reply.code(status).send(body));
  };
  app.get('/healthz', (_request, reply) => answer(reply, { operation: 'health' }));
  app.get('/api/v1/controllers', (_request, reply) => answer(reply, { operation: 'list-controllers' }));
  app.delete('/api/v1/controllers/:controller', (request, reply) =>
    answer(reply, { operation: 'delete-controller', ...controllerId.parse(request.params) }),
  );
  addNamespaceRoutes(app, answer);
  addClusterRoutes(app, answer);
  addShardRoutes(app, answer);
  app.setNotFoundHandler((_request, reply) => reply.code(404).send(failure(404, 'not found').body));
  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    const isOurs = error instanceof z.ZodError;
    const status = isOurs ? 400 : (error.statusCode ?? 500);
    const message = isOurs ? z.prettifyError(error) : error.message;
    return reply.code(status).send(failure(status, message).body);
  });
}

type Answer = (reply: FastifyReply, call: ApiCall) => Promise<void>;

const base = '/api/v1/namespaces';

function addNamespaceRoutes(app: FastifyInstance, answer: Answer): void {
  app.get(base, (_request, reply) => answer(reply, { operation: 'list-namespaces' }));
  app.post(base, (request, reply) => {
    const { namespace } = ofNamespace.parse(request.body);
    return answer(reply, { operation: 'create-namespace', namespace });
  });
  app.get(`${base}/:namespace`, (request, reply) =>
    answer(reply, { operation: 'get-namespace', ...ofNamespace.parse(request.params) }),
  );
  app.delete(`${base}/:namespace`, (request, reply) =>
    answer(reply, { operation: 'delete-namespace', ...ofNamespace.parse(request.params) }),
  );
}

function addClusterRoutes(app: FastifyInstance, answer: Answer): void {
  const clusters = `${base}/:namespace/clusters`;
  app.get(clusters, (request, reply) =>
    answer(reply, { operation: 'list-clusters', ...ofNamespace.parse(request.params) }),
  );
  app.post(clusters, (request, reply) => {
    const { load_balancers: lbs, ...rest } = newCluster.parse(request.body);
    const made = { ...rest, masterLbs: lbs.masters, replicaLbs: lbs.replicas };
    return answer(reply, { operation: 'create-cluster', ...ofNamespace.parse(request.params), request: made });
  });
  const read = (path: string, operation: 'get-cluster' | 'get-status' | 'list-shards'): void => {
    app.get(`${clusters}/:cluster${path}`, (request, reply) =>
      answer(reply, { operation, ...ofCluster.parse(request.params) }),
    );
  };
  read('', 'get-cluster');
  read('/status', 'get-status');
  read('/shards', 'list-shards');
  app.get(`${clusters}/:cluster/events`, (request, reply) => {
    const query = eventsQuery.parse(request.query);
    return answer(reply, { operation: 'list-events', ...ofCluster.parse(request.params), ...query });
  });
  app.delete(`${clusters}/:cluster`, (request, reply) =>
    answer(reply, { operation: 'delete-cluster', ...ofCluster.parse(request.params) }),
  );
}

function addShardRoutes(app: FastifyInstance, answer: Answer): void {
  const shard = `${base}/:namespace/clusters/:cluster/shards/:shard`;
  app.get(shard, (request, reply) => answer(reply, { operation: 'get-shard', ...ofShard.parse(request.params) }));
  app.get(`${shard}/nodes`, (request, reply) =>
    answer(reply, { operation: 'list-nodes', ...ofShard.parse(request.params) }),
  );
  const asked = (request: FastifyRequest): { preferredId: string | undefined; acceptDataLoss: boolean } => {
    const { preferred_node_id: preferred = '', accept_data_loss: acceptDataLoss = false } =
      changeMaster.parse(request.body) ?? {};
    return { preferredId: preferred === '' ? undefined : preferred, acceptDataLoss };
  };
  app.post(`${shard}/failover`, (request, reply) =>
    answer(reply, { operation: 'failover', ...ofShard.parse(request.params), ...asked(request) }),
  );
  app.post(`${shard}/switchover`, (request, reply) => {
    const { preferredId } = asked(request);
    return answer(reply, { operation: 'switchover', ...ofShard.parse(request.params), preferredId });
  });
}

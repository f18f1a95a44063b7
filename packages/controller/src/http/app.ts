/** The HTTP side as one object: everything but the thread it runs on. */
import { fastify, type FastifyInstance } from 'fastify';
import { addRoutes, type Caller } from './routes.ts';

/** Small JSON in both directions; a cluster of a thousand nodes fits. */
const bodyBytesMax = 256 * 1024;

/** A fastify application that answers every route through `call`. It does not listen yet. */
export function httpApp(call: Caller): FastifyInstance {
  const app = fastify({ bodyLimit: bodyBytesMax, forceCloseConnections: true });
  // A POST without a body (`curl -X POST`) is a request without options.
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    if (body === '') return done(null, null);
    try {
      done(null, JSON.parse(String(body)));
    } catch (error) {
      done(Object.assign(new Error(`the body is no JSON: ${String(error)}`), { statusCode: 400 }));
    }
  });
  addRoutes(app, call);
  return app;
}

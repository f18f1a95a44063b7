/** The controller's side of the embedded balancer: its control face as a BalancerDriver. */
import { OperationError, messageOf, type Outcome } from '@holdfast/base';
import { z } from 'zod';
import type {
  ApplyResult,
  BalancerDriver,
  DesiredBindings,
  ObservedBindings,
  ProbedBackend,
  ProbeRequest,
} from '../driver.ts';

export interface EmbeddedDriverOptions {
  /** For example `http://127.0.0.1:7901`. */
  readonly url: string;
  /** The bearer token; a function is asked when it is needed, and again after a refusal: the balancer makes its file. */
  readonly token: string | (() => string);
  /** For a whole request. The default leaves room in a failover for asking twice. */
  readonly timeoutMs?: number;
}

const appliedSchema = z.object({
  revision: z.int(),
  failed: z.array(z.object({ address: z.string(), reason: z.string() })),
});

const probedSchema = z.object({
  backend: z.string(),
  reachable: z.boolean(),
  lastAnswerMsAgo: z.number().nullable(),
  silentMs: z.number(),
  failures: z.int(),
  error: z.string().nullable(),
});

const probesSchema = z.object({ backends: z.array(probedSchema) });

const observedSchema = z.object({
  revision: z.int(),
  // A balancer of before it probed says nothing of it.
  probes: z.array(probedSchema).default([]),
  bindings: z.array(
    z.object({
      address: z.string(),
      backend: z.string().nullable(),
      listening: z.boolean(),
      error: z.string().nullable(),
      connections: z.array(z.object({ backend: z.string(), count: z.int() })),
    }),
  ),
});

const cutSchema = z.object({ cut: z.int() });

const errorSchema = z.object({
  error: z.object({ code: z.string(), message: z.string(), outcome: z.enum(['not-applied', 'unknown']).optional() }),
});

export function embeddedDriver({ url, token, timeoutMs = 1_000 }: EmbeddedDriverOptions): BalancerDriver {
  let secret: string | undefined;
  const request = async <T>(method: string, path: string, schema: z.ZodType<T>, body?: unknown): Promise<T> => {
    secret ??= tokenOf(token);
    const response = await send(`${url}${path}`, method, timeoutMs, headersOf(secret, body), body);
    if (response.status === 401) secret = undefined;
    const json: unknown = await response.json().catch((error: unknown) => {
      throw noAnswer(url, `its answer to ${method} ${path} ended early or was no JSON`, error);
    });
    if (!response.ok) throw refusal(url, response.status, json);
    const parsed = schema.safeParse(json);
    if (!parsed.success) throw noAnswer(url, `its answer to ${method} ${path} has another shape`, parsed.error);
    return parsed.data;
  };
  return {
    name: `embedded balancer at ${url}`,
    apply: (desired: DesiredBindings): Promise<ApplyResult> => request('PUT', '/v1/bindings', appliedSchema, desired),
    observe: (): Promise<ObservedBindings> => request('GET', '/v1/bindings', observedSchema),
    cut: async (address: string, backend: string): Promise<number> =>
      (await request('POST', '/v1/cut', cutSchema, { address, backend })).cut,
    probe: async (probe: ProbeRequest): Promise<readonly ProbedBackend[]> =>
      (await request('POST', '/v1/probes', probesSchema, probe)).backends,
  };
}

function tokenOf(token: string | (() => string)): string {
  try {
    return typeof token === 'string' ? token : token();
  } catch (error) {
    throw new OperationError('BALANCER_UNREACHABLE', messageOf(error), { outcome: 'not-applied', cause: error });
  }
}

function headersOf(secret: string, body: unknown): Record<string, string> {
  const authorization = { authorization: `Bearer ${secret}` };
  return body === undefined ? authorization : { ...authorization, 'content-type': 'application/json' };
}

async function send(
  url: string,
  method: string,
  timeoutMs: number,
  headers: Record<string, string>,
  body: unknown,
): Promise<Response> {
  try {
    return await fetch(url, {
      method,
      headers,
      signal: AbortSignal.timeout(timeoutMs),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch (error) {
    const cause = (error as { cause?: NodeJS.ErrnoException }).cause;
    // Only a connection that was never made proves that the request was not read.
    if (cause?.syscall === 'connect' || cause?.syscall === 'getaddrinfo') {
      const message = `the balancer at ${url} cannot be reached: ${messageOf(cause)}`;
      throw new OperationError('BALANCER_UNREACHABLE', message, { outcome: 'not-applied', cause: error });
    }
    throw noAnswer(url, `no answer within ${timeoutMs} ms or connection lost (${messageOf(cause ?? error)})`, error);
  }
}

function noAnswer(url: string, what: string, cause: unknown): OperationError {
  return new OperationError('BALANCER_NO_ANSWER', `the balancer at ${url}: ${what}`, { outcome: 'unknown', cause });
}

function refusal(url: string, status: number, json: unknown): OperationError {
  const parsed = errorSchema.safeParse(json);
  const { code, message, outcome } = parsed.success
    ? parsed.data.error
    : { code: '', message: `HTTP status ${status}`, outcome: undefined };
  const known: Outcome = outcome ?? (status < 500 ? 'not-applied' : 'unknown');
  const stale = code === 'BALANCER_STALE_REVISION';
  const text = stale ? message : `the balancer at ${url} refused: ${message}`;
  return new OperationError(stale ? code : 'BALANCER_REFUSED', text, { outcome: known });
}

/**
 * What a balancer accepts as desired state, and whether it may replace what it has. Pure, shared by the embedded
 * balancer and the fake of the tests.
 */
import { OperationError } from '@holdfast/base';
import { z } from 'zod';
import type { Binding, DesiredBindings, ProbeRequest } from './driver.ts';
import { parseEndpoint } from './endpoint.ts';
import { bindingsMax } from './limits.ts';

const endpoint = z
  .string()
  .max(300)
  .refine((text) => parseEndpoint(text) !== undefined, 'is not host:port');

const bindingSchema = z.strictObject({
  address: endpoint,
  backend: endpoint.nullable(),
  drainMs: z.int().min(0).max(600_000).nullable(),
  proxy: z.boolean().default(false),
});

/** The shape of `PUT /v1/bindings` and of the file. */
export const desiredSchema: z.ZodType<DesiredBindings, unknown> = z
  .strictObject({ revision: z.int().min(1), bindings: z.array(bindingSchema).max(bindingsMax) })
  .superRefine(({ bindings }, context) => {
    const addresses = new Set<string>();
    for (const [index, { address }] of bindings.entries()) {
      const path = ['bindings', index, 'address'];
      if (addresses.has(address)) context.addIssue({ code: 'custom', path, message: `${address} is listed twice` });
      addresses.add(address);
    }
    for (const [index, { backend }] of bindings.entries()) {
      const path = ['bindings', index, 'backend'];
      // The balancer would connect to itself until its limits are used up.
      if (backend !== null && addresses.has(backend))
        context.addIssue({ code: 'custom', path, message: `${backend} is itself an address of this balancer` });
    }
  });

/** The shape of `POST /v1/probes`. */
export const probeSchema: z.ZodType<ProbeRequest, unknown> = z.strictObject({
  backends: z.array(endpoint).max(bindingsMax),
  periodMs: z.int().min(10).max(10_000),
});

/** One sentence for people out of what zod found. */
export function describeIssues(error: z.ZodError): string {
  return error.issues.map(({ path, message }) => [path.join('.'), message].join(' ').trim()).join('; ');
}

/** Same addresses, backends, drain times and PROXY settings, in whatever order. */
export function sameBindings(a: readonly Binding[], b: readonly Binding[]): boolean {
  const canonical = (bindings: readonly Binding[]): string =>
    JSON.stringify(
      bindings
        .map(({ address, backend, drainMs, proxy = false }) => [address, backend, drainMs, proxy])
        .sort((x, y) => (String(x[0]) < String(y[0]) ? -1 : 1)),
    );
  return canonical(a) === canonical(b);
}

/**
 * The guard of `apply`.
 * @returns true when `desired` is new, false when it is what already stands.
 * @throws OperationError BALANCER_STALE_REVISION.
 */
export function mayReplace(current: DesiredBindings, desired: DesiredBindings): boolean {
  if (desired.revision > current.revision) return true;
  if (desired.revision === current.revision && sameBindings(current.bindings, desired.bindings)) return false;
  const why =
    desired.revision < current.revision
      ? `revision ${desired.revision} is older than ${current.revision}, which this balancer already follows`
      : `this balancer already follows revision ${current.revision} with other bindings`;
  throw new OperationError('BALANCER_STALE_REVISION', why, { outcome: 'not-applied' });
}

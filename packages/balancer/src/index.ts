export type {
  ApplyResult,
  BalancerDriver,
  Binding,
  DesiredBindings,
  FailedBinding,
  ObservedBinding,
  ObservedBindings,
  ProbedBackend,
  ProbeRequest,
} from './driver.ts';
export { sameBindings } from './binding-set.ts';
export { parseEndpoint } from './endpoint.ts';
export { defaultLimits, type BalancerLimits } from './limits.ts';

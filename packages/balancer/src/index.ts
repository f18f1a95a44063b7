export type {
  ApplyResult,
  BalancerDriver,
  Binding,
  DesiredBindings,
  FailedBinding,
  ObservedBinding,
  ObservedBindings,
} from './driver.ts';

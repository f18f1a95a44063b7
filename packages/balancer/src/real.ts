export { startBalancer, type BalancerOptions, type RunningBalancer } from './embedded/balancer-process.ts';
export { embeddedDriver, type EmbeddedDriverOptions } from './embedded/http-driver.ts';
export { readToken } from './embedded/token-file.ts';

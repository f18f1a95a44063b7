export type { Namespace } from './namespace.ts';

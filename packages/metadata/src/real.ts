export { openEmbeddedStore } from './embedded/embedded-store.ts';

export { openEmbeddedStore } from './embedded/embedded-store.ts';
export { openEtcdStore, type EtcdTlsFiles, type OpenEtcdStoreOptions } from './etcd/open-etcd-store.ts';
export type { EtcdCredentials } from './etcd/etcd-calls.ts';

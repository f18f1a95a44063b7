export { emptyMemory, openMemoryStore, type MemoryContent } from '../memory-store.ts';
export { metadataStoreSuite, type StoreFactory } from './suite.ts';
/** Real etcd, started by the test. */
export { etcdIsMissing, startEtcd, type EtcdMember, type EtcdTlsServer } from './etcd-process.ts';
/** The shipped etcd store over an etcd with virtual time, for several controllers in one process. */
export { SimulatedEtcd, SimulatedLink, type LinkFault } from './simulated-etcd.ts';
export { EtcdStore, type EtcdStoreOptions } from '../etcd/etcd-store.ts';

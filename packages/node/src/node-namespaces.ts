/** What namespaces are given of the node. */
import { namespacesKey, Namespaces } from './namespaces.ts';
import type { Node } from './node.ts';

export function newNamespaces(node: Node): Namespaces {
  const { env, engine } = node;
  const mayRead = (): boolean => engine.isOpen && !node.conditions.condition.loading;
  return new Namespaces({
    config: env.config,
    hasFile: env.configFile !== undefined,
    isReplica: () => node.replicator.isReplica,
    read: () => engine.getPropagate(namespacesKey),
    write: (value) => engine.putPropagate(namespacesKey, value),
    isSettled: () => mayRead() && engine.tick.records === 0 && !engine.isCommitting,
    mayRead,
    rewriteFile: (answer) => env.rewriteConfiguration(answer),
  });
}

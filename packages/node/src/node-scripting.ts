/** What scripts are given of the node. */
import type { Node } from './node.ts';
import { slotOfRequest } from './cluster/routing.ts';
import { redisVersion } from './info/versions.ts';
import { Scripting } from './scripting/scripting.ts';

export function newScripting(node: Node): Scripting {
  const { engine } = node;
  const { config, clock, logger, random } = node.env;
  const scripting = new Scripting({
    engine,
    clock,
    logger,
    random,
    version: redisVersion,
    commands: () => node.dispatcher.nested,
    isCluster: config.get('cluster-enabled'),
    resp3Enabled: () => config.get('resp3-enabled'),
    busyMs: () => config.get('lua-time-limit'),
    memoryBytesMax: () => config.get('lua-memory-limit'),
    knowsCommand: (request) => node.commands.lookup(request) !== undefined,
    slotOfKeys: (request): number | undefined => {
      const definition = node.commands.lookup(request);
      const slot = definition === undefined ? -1 : slotOfRequest(definition, request);
      return slot < 0 ? undefined : slot;
    },
  });
  config.onChange('lua-memory-limit', () => scripting.runner.limitChanged());
  return scripting;
}

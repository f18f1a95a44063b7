/** Pub/sub: connections that want messages, and messages for them. */
import type { CommandDefinition } from '../command.ts';
import type { PubSubPort } from './port.ts';
import { publishCommands } from './publish.ts';
import { pubSubCommand } from './pubsub.ts';
import { subscribeCommands } from './subscribe.ts';

export function pubSubCommands(port: PubSubPort): CommandDefinition[] {
  return [...subscribeCommands(port), ...publishCommands(port), pubSubCommand(port)];
}

export { Config, type ChangeListener, type RunTimeName, type ShownDirective } from './config.ts';
export { parseCommandLine, usageText, type CommandLine } from './command-line.ts';
export {
  formatConfigError,
  formatConfigProblem,
  namespaceProblem,
  parseConfig,
  type ConfigInput,
  type ConfigProblem,
  type Settings,
  type SettingSource,
} from './parse-config.ts';
export { rewriteConfig } from './rewrite-config.ts';
export { configurationReference } from './reference.ts';
export type { CommandRename, ConfiguredEndpoint, DirectiveValue } from './directive.ts';
export type { ConfigValue, DirectiveName } from './directives.ts';

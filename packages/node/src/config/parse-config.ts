/**
 * Settings from the text of kvrocks.conf and from `--directive value` pairs, in the order in which they win.
 *
 * A bad value is an error that names source, line, directive and what is allowed; an unknown directive is a warning, as
 * in Kvrocks, so that every kvrocks.conf starts. So is a directive that is accepted but without effect here when it is
 * set to something other than its default.
 */
import { parseConfigLine } from './config-line.ts';
import type { CommandRename, DirectiveValue } from './directive.ts';
import { directiveOf, findDirective, type DirectiveName } from './directives.ts';
import { formatValue, parseValue } from './value.ts';

/** Where a setting was written. */
export interface SettingSource {
  /** File name, `standard input` or `command line`. */
  readonly name: string;
  /** From 1; undefined on the command line. */
  readonly line?: number;
}

export interface ConfigProblem {
  readonly source: SettingSource;
  /** As it was written; undefined when the line could not be divided. */
  readonly directive?: string;
  readonly message: string;
}

/** Everything that was set, without defaults. */
export interface Settings {
  readonly values: ReadonlyMap<DirectiveName, DirectiveValue>;
  /** Token by name of the namespace. */
  readonly namespaces: ReadonlyMap<string, string>;
  readonly warnings: readonly ConfigProblem[];
  readonly errors: readonly ConfigProblem[];
}

export interface ConfigInput {
  /** The file's text; undefined when the node runs without one. */
  readonly text?: string | undefined;
  /** What to call the file in messages. */
  readonly fileName?: string | undefined;
  /** `--directive value` pairs in order. */
  readonly overrides?: readonly (readonly [string, string])[];
}

interface Collected {
  readonly values: Map<DirectiveName, DirectiveValue>;
  readonly namespaces: Map<string, string>;
  readonly warnings: ConfigProblem[];
  readonly errors: ConfigProblem[];
}

/** Reads file and command line; the latter wins. Pure. */
export function parseConfig({ text = '', fileName = 'config file', overrides = [] }: ConfigInput): Settings {
  const into: Collected = { values: new Map(), namespaces: new Map(), warnings: [], errors: [] };
  text.split('\n').forEach((lineText, index) => {
    const source = { name: fileName, line: index + 1 };
    const line = parseConfigLine(lineText);
    if (line.kind === 'bad') into.errors.push({ source, message: line.message });
    else if (line.kind === 'entry' && line.value !== undefined) setOne(into, source, line.key, line.value);
  });
  for (const [key, value] of overrides) setOne(into, { name: 'command line' }, key, value);
  checkTogether(into, fileName);
  return into;
}

function setOne(into: Collected, source: SettingSource, key: string, text: string): void {
  if (/^namespace\./i.test(key)) {
    setNamespace(into, source, key, text);
    return;
  }
  const name = findDirective(key);
  if (name === undefined) {
    into.warnings.push({ source, directive: key, message: 'unknown directive, ignored' });
    return;
  }
  const directive = directiveOf(name);
  const parsed = parseValue(directive, text);
  if ('problem' in parsed) {
    into.errors.push({ source, directive: key, message: parsed.problem });
    return;
  }
  const isDefault = formatValue(directive, parsed.value) === formatValue(directive, directive.default);
  if (directive.effect === 'accepted' && !isDefault)
    into.warnings.push({ source, directive: key, message: 'accepted, but without effect here' });
  if (directive.type !== 'renames') into.values.set(name, parsed.value);
  else {
    const before = (into.values.get(name) ?? []) as readonly CommandRename[];
    into.values.set(name, [...before, ...(parsed.value as readonly CommandRename[])]);
  }
}

function setNamespace(into: Collected, source: SettingSource, key: string, token: string): void {
  const name = key.slice('namespace.'.length);
  const refuse = (message: string): void => void into.errors.push({ source, directive: key, message });
  if (name === '') refuse('expected namespace.<name> <token>');
  else if (Buffer.byteLength(name) > 255) refuse('size exceed limit 255');
  else if (name.endsWith('\x7f')) refuse('namespace contain illegal letter');
  else if (token === '') refuse('expected a token that is not empty');
  else into.namespaces.set(name, token);
}

/** Rules about several directives (Kvrocks' own texts). */
function checkTogether(into: Collected, fileName: string): void {
  const problem = namespaceProblem({
    namespaces: into.namespaces.size,
    password: (into.values.get('requirepass') ?? '') as string,
    cluster: into.values.get('cluster-enabled') === true,
  });
  if (problem !== undefined) into.errors.push({ source: { name: fileName }, message: problem });
  const unheard = addressProblem(into.values);
  if (unheard !== undefined) into.errors.push({ source: { name: fileName }, message: unheard });
}

/** What forbids the addresses to listen on, if anything. With a Unix socket there are those of TCP that are named only. */
function addressProblem(values: Map<DirectiveName, DirectiveValue>): string | undefined {
  const hasUnixSocket = (values.get('unixsocket') ?? '') !== '';
  if (hasUnixSocket && !values.has('bind')) values.set('bind', []);
  const binds = (values.get('bind') ?? directiveOf('bind').default) as readonly string[];
  const hasPort = values.get('port') !== 0 || (values.get('tls-port') ?? 0) !== 0;
  const hasTcp = (binds.length > 0 && hasPort) || ((values.get('socket-fd') ?? -1) as number) >= 0;
  if (hasTcp) return undefined;
  if (values.get('cluster-enabled') === true)
    return "node is in cluster mode, but TCP listen address wasn't specified via configuration file";
  if (values.get('slaveof') !== undefined) return "replication doesn't support unix socket";
  return hasUnixSocket ? undefined : 'there is no address to listen on: set bind and port, tls-port or unixsocket';
}

/** What forbids having namespaces, if anything. */
export function namespaceProblem(has: { namespaces: number; password: string; cluster: boolean }): string | undefined {
  if (has.namespaces === 0) return undefined;
  if (has.password === '') return "requirepass empty wasn't allowed while the namespace exists";
  if (has.cluster) return "enabled cluster mode wasn't allowed while the namespace exists";
  return undefined;
}

/** The line Kvrocks prints before it ends with status 1, with the file and what is allowed added. */
export function formatConfigError(problem: ConfigProblem): string {
  return `Failed to load config. Error: ${formatConfigProblem(problem)}`;
}

/** `at line #L<n>: <directive>: <message> (<source>)`. */
export function formatConfigProblem({ source, directive, message }: ConfigProblem): string {
  const line = source.line === undefined ? '' : `at line #L${source.line}: `;
  return `${line}${directive === undefined ? '' : `${directive}: `}${message} (${source.name})`;
}

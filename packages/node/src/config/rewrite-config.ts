/**
 * CONFIG REWRITE as text to text: comments, order, unknown directives and unchanged lines stay as they are; a line whose
 * value changed gets the new one and keeps its comment; what differs from its default and had no line is appended.
 */
import { formatConfigLine, parseConfigLine } from './config-line.ts';
import type { Config } from './config.ts';
import type { Directive } from './directive.ts';
import { directiveNames, directiveOf, findDirective, type DirectiveName } from './directives.ts';
import { formatRename, formatValue, parseValue } from './value.ts';

/** The text of the file that says what `config` holds now. */
export function rewriteConfig(text: string, config: Config): string {
  const lines = text.split('\n');
  const endsWithLine = lines.at(-1) === '';
  if (endsWithLine) lines.pop();
  const written = new Set<DirectiveName>();
  const namespaces = new Set<string>();
  const kept = lines.flatMap((line) => rewriteLine(line, config, written, namespaces));
  const appended = [...appendedDirectives(config, written), ...appendedNamespaces(config, namespaces)];
  const all = [...kept, ...appended];
  return all.length === 0 ? '' : all.join('\n') + (endsWithLine || appended.length > 0 || text === '' ? '\n' : '');
}

function rewriteLine(line: string, config: Config, written: Set<DirectiveName>, namespaces: Set<string>): string[] {
  const parsed = parseConfigLine(line);
  if (parsed.kind !== 'entry' || parsed.value === undefined) return [line];
  if (/^namespace\./i.test(parsed.key)) return namespaceLine(line, parsed.key, parsed.value, config, namespaces);
  const name = findDirective(parsed.key);
  if (name === undefined) return [line];
  written.add(name);
  const directive = directiveOf(name);
  if (directive.type === 'renames') return [line];
  const value = config.text(name);
  if (sameValue(directive, parsed.value, value)) return [line];
  const comment = parsed.comment === '' ? '' : ` ${parsed.comment}`;
  return [formatConfigLine(parsed.key, directive.type === 'endpoint' && value === '' ? 'no one' : value) + comment];
}

function sameValue(directive: Directive, text: string, value: string): boolean {
  const parsed = parseValue(directive, text);
  return 'value' in parsed && formatValue(directive, parsed.value) === value;
}

function namespaceLine(line: string, key: string, token: string, config: Config, namespaces: Set<string>): string[] {
  const name = key.slice('namespace.'.length);
  const now = config.namespaces.get(name);
  if (now === undefined || namespaces.has(name)) return [];
  namespaces.add(name);
  return [now === token ? line : formatConfigLine(key, now)];
}

function appendedDirectives(config: Config, written: ReadonlySet<DirectiveName>): string[] {
  return directiveNames
    .filter((name) => !written.has(name) && !config.isDefault(name))
    .flatMap((name) => {
      if (name === 'rename-command') return config.get(name).map((rename) => `rename-command ${formatRename(rename)}`);
      return [formatConfigLine(name, config.text(name))];
    });
}

function appendedNamespaces(config: Config, written: ReadonlySet<string>): string[] {
  return [...config.namespaces]
    .filter(([name]) => !written.has(name))
    .map(([name, token]) => formatConfigLine(`namespace.${name}`, token));
}

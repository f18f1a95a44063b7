/** The page docs/reference/configuration.md from the table; a test holds the two equal. */
import type { Directive } from './directive.ts';
import { directiveGroups } from './directives.ts';
import { allowedValues, formatValue } from './value.ts';

const introduction = `# Configuration

Generated from packages/node/src/config/directives/; change it there.

The file is a kvrocks.conf: one \`directive value\` per line, \`#\` begins a comment, a value may be quoted. Any directive
can be given on the command line as \`--directive value\`, which wins over the file. \`-c -\` reads standard input. Names
are compared without regard to case. An unknown directive is a warning; a value that is not allowed refuses the start.

\`namespace.<name> <token>\` lines give a namespace its token; they need \`requirepass\` and exclude \`cluster-enabled\`.

Columns: *set* says when: at the \`start\` only, or at \`run\` time too by CONFIG SET. *Effect*: \`used\`, or \`accepted\`,
which means parsed, checked and shown but without effect here.
`;

export function configurationReference(): string {
  const sections = directiveGroups.map(({ title, table }) => {
    const rows = Object.entries(table).map(([name, directive]) => row(name, directive));
    return [
      `## ${title}`,
      '',
      '| directive | default | allowed | set | effect | meaning |',
      '|---|---|---|---|---|---|',
      ...rows,
      '',
    ].join('\n');
  });
  return [introduction, ...sections].join('\n');
}

function row(name: string, directive: Directive): string {
  const unit = directive.unit === undefined ? '' : ` (${directive.unit})`;
  const alias = directive.alias === undefined ? '' : `, \`${directive.alias}\``;
  const cells = [
    `\`${name}\`${alias}`,
    defaultText(directive),
    `${allowedValues(directive)}${unit}`,
    directive.when,
    directive.effect,
    directive.doc,
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function defaultText(directive: Directive): string {
  if (directive.type === 'text' && directive.defaultBelowDir !== undefined)
    return directive.defaultBelowDir === '' ? '`<dir>`' : `\`<dir>/${directive.defaultBelowDir}\``;
  const text = formatValue(directive, directive.default);
  return text === '' ? 'empty' : `\`${text}\``;
}

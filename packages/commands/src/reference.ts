/** The page docs/reference/commands.md from the declarations; a test holds the two equal. */
import type { CommandDefinition } from './command.ts';

const introduction = `# Commands

Generated from the declarations in packages/commands/src/; change it there.

Columns: *arguments* counts the command's own name; \`3+\` means three or more. *Keys* are positions of the arguments that are
keys (the command's name is 0): \`first-last\`, a negative last counting from the end, \`/step\` when not each of them is one,
and *by arguments* when a number among them says how many follow. A *flag* \`write\` is refused on replicas, by a full disk and
without a lease; \`readonly\` is everything else. *Since* names the version of Redis, or of Kvrocks, that has it first.
`;

const titles: Readonly<Record<string, string>> = {
  bitmap: 'Bitmaps',
  bloom: 'Bloom filters',
  cluster: 'Cluster',
  connection: 'Connections',
  generic: 'Keys of any type',
  geo: 'Geographic positions',
  hash: 'Hashes',
  hyperloglog: 'HyperLogLogs',
  json: 'JSON documents',
  list: 'Lists',
  pubsub: 'Publish and subscribe',
  replication: 'Replication',
  scripting: 'Scripts and functions',
  server: 'Server',
  set: 'Sets',
  'sorted-set': 'Sorted sets',
  sortedint: 'Sorted integers',
  stream: 'Streams',
  string: 'Strings',
  transactions: 'Transactions',
};

/** @throws Error when a command belongs to a group that has no title. */
export function commandsReference(definitions: Iterable<CommandDefinition>): string {
  const groups = new Map<string, CommandDefinition[]>();
  for (const definition of definitions) {
    const group = groups.get(definition.group) ?? [];
    group.push(definition);
    groups.set(definition.group, group);
  }
  const sections = [...groups].map(([group, members]) => {
    const title = titles[group];
    if (title === undefined) throw new Error(`commands of group '${group}' have no title in the reference`);
    return { title, members };
  });
  sections.sort((a, b) => (a.title < b.title ? -1 : 1));
  return [introduction, ...sections.map(({ title, members }) => section(title, members))].join('\n');
}

function section(title: string, members: readonly CommandDefinition[]): string {
  const inOrder = [...members].sort((a, b) => (a.name < b.name ? -1 : 1));
  return [
    `## ${title}`,
    '',
    '| command | arguments | keys | flags | since | what it does | complexity |',
    '|---|---|---|---|---|---|---|',
    ...inOrder.flatMap(rows),
    '',
  ].join('\n');
}

function rows(definition: CommandDefinition): string[] {
  const { name, arity, flags, since, summary, complexity } = definition;
  const own = [
    `\`${name.toUpperCase()}\``,
    arityText(arity),
    keysText(definition),
    flags.join(' '),
    since,
    summary,
    complexity,
  ];
  const below = (definition.subCommands ?? []).map((sub) => {
    const usage = sub.usage === '' ? '' : ` ${sub.usage}`;
    return [
      `\`${name.toUpperCase()} ${sub.name.toUpperCase()}${usage}\``,
      arityText(sub.arity),
      '',
      '',
      '',
      sub.summary,
      '',
    ];
  });
  return [own, ...below].map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`);
}

function arityText(arity: number): string {
  return arity >= 0 ? String(arity) : `${-arity}+`;
}

function keysText({ keys, keyIndexes }: CommandDefinition): string {
  if (keyIndexes !== undefined) return 'by arguments';
  const { first, last, step } = keys;
  if (first === 0) return '';
  const range = first === last ? String(first) : `${first} to ${last}`;
  return step > 1 ? `${range} /${step}` : range;
}

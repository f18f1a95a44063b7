/**
 * The layer table of docs/architecture.md as a check: a package may import only what stands below it.
 *
 * The idea: the tables below are the single truth. Every import in every source file is compared with it, as is every
 * package.json (an import must be declared, and nothing else may be), and a package may be entered only through its
 * exports. TypeScript project references are no guard for this: an undeclared one passes on the second build.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const scope = '@holdfast';

/** Package -> packages it may import. Listed bottom-up, so that a cycle cannot even be written down. */
const table: Readonly<Record<string, readonly string[]>> = {
  base: [],
  resp: ['base'],
  topology: ['base'],
  rocksdb: ['base'],
  lua: ['base'],
  history: ['base'],
  engine: ['base', 'rocksdb', 'topology'],
  fencing: ['base', 'topology'],
  metadata: ['base', 'topology'],
  balancer: ['base', 'topology'],
  commands: ['base', 'engine', 'resp', 'topology'],
  replication: ['base', 'engine', 'rocksdb', 'resp', 'topology', 'fencing'],
  node: ['base', 'resp', 'topology', 'rocksdb', 'lua', 'engine', 'fencing', 'commands', 'replication'],
  controller: ['base', 'resp', 'topology', 'rocksdb', 'history', 'fencing', 'metadata', 'balancer'],
  simulator: ['base', 'topology', 'history', 'fencing', 'node'],
};
/** Folders that are no packages -> packages they may import. */
const folders: Readonly<Record<string, readonly string[]>> = {
  bench: ['base', 'resp'],
};
/** Built-ins that do I/O or read a clock: barred from what must stay pure. */
const pure = ['topology', 'fencing', 'history'];
const impureBuiltin = /^node:(?!assert|util|buffer$)/;

const importPattern =
  /(?:^|\n)\s*(?:import|export)\b[^'"\n;]*(?:\n[^'";]*?)?['"]([^'"\n]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)/g;

const scoped = (name: string): string => `${scope}/${name}`;

function sources(dir: string): string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(dir, name));
}

function importsOf(file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(importPattern)].map((match) => match[1] ?? match[2] ?? '');
}

interface Manifest {
  readonly exports?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/**
 * Compares every import below `root` with the layer table.
 * @returns one sentence per violation; an empty list means the layers hold.
 */
export function checkLayers(root: string): string[] {
  const errors: string[] = [];
  const manifests = new Map<string, Manifest>();
  for (const name of Object.keys(table)) {
    const file = join(root, 'packages', name, 'package.json');
    manifests.set(name, JSON.parse(readFileSync(file, 'utf8')) as Manifest);
  }
  const known = new Set<string>();
  for (const [name, allowed] of Object.entries(table)) {
    for (const dep of allowed)
      if (!known.has(dep)) errors.push(`layer table: ${name} may import ${dep}, which stands above it`);
    known.add(name);
    const declared = Object.keys(manifests.get(name)?.dependencies ?? {}).filter((dep) => dep.startsWith(`${scope}/`));
    for (const dep of declared) {
      if (!allowed.includes(dep.slice(scope.length + 1)))
        errors.push(`packages/${name}/package.json: ${name} may not depend on ${dep}`);
    }
    for (const file of sources(join(root, 'packages', name, 'src'))) {
      const isTest = file.endsWith('.test.ts') || file.includes('/testing/');
      for (const spec of importsOf(file)) {
        if (spec.startsWith(`${scope}/`))
          errors.push(...checkImport({ file, name, spec, allowed, declared, manifests }));
        else if (spec.startsWith('.') && spec.includes('/packages/'))
          errors.push(`${file}: path import of a package: ${spec}`);
        else if (pure.includes(name) && !isTest && impureBuiltin.test(spec))
          errors.push(`${file}: ${name} is pure and may not import ${spec}`);
      }
    }
  }
  for (const [name, allowed] of Object.entries(folders)) {
    for (const file of sources(join(root, name))) {
      for (const spec of importsOf(file)) {
        if (spec.startsWith(`${scope}/`))
          errors.push(...checkImport({ file, name, spec, allowed, declared: allowed.map(scoped), manifests }));
        else if (spec.startsWith('.') && spec.includes('/packages/'))
          errors.push(`${file}: path import of a package: ${spec}`);
      }
    }
  }
  for (const dir of readdirSync(join(root, 'packages'))) {
    if (!(dir in table)) errors.push(`packages/${dir}: not in the layer table (tools/layers.ts)`);
  }
  return errors;
}

interface Import {
  readonly file: string;
  readonly name: string;
  readonly spec: string;
  readonly allowed: readonly string[];
  readonly declared: readonly string[];
  readonly manifests: ReadonlyMap<string, Manifest>;
}

function checkImport({ file, name, spec, allowed, declared, manifests }: Import): string[] {
  const dep = spec.split('/')[1] ?? '';
  const entry = `.${spec.slice(`${scope}/${dep}`.length)}`;
  const errors: string[] = [];
  if (dep === name) errors.push(`${file}: ${name} imports itself by name`);
  else if (!allowed.includes(dep)) errors.push(`${file}: ${name} may not import ${dep}`);
  else if (!declared.includes(`${scope}/${dep}`))
    errors.push(`${file}: ${spec} is not declared in packages/${name}/package.json`);
  if (!(entry in (manifests.get(dep)?.exports ?? {}))) errors.push(`${file}: ${spec} is not an export of ${dep}`);
  return errors;
}

/** All directives, and how one is found by the name somebody wrote. */
import { cluster } from './directives/cluster.ts';
import { data } from './directives/data.ts';
import { network } from './directives/network.ts';
import { redis } from './directives/redis.ts';
import { rocksdb } from './directives/rocksdb.ts';
import type { Directive, DirectiveTable, ValueOf } from './directive.ts';

/** Every directive by its name. */
export type Directives = typeof network & typeof data & typeof cluster & typeof rocksdb;
export type DirectiveName = keyof Directives;
/** The type of the value of one directive. */
export type ConfigValue<Name extends DirectiveName> = ValueOf<Directives[Name]>;

/** The tables in the order of the reference page. */
export const directiveGroups: readonly { readonly title: string; readonly table: DirectiveTable }[] = [
  { title: 'Network, clients, files', table: network },
  { title: 'Data and commands', table: data },
  { title: 'Replication, cluster, lease, migration', table: cluster },
  { title: 'RocksDB', table: rocksdb },
  { title: 'Directives of Redis', table: redis },
];

const all = new Map<string, Directive>();
const byWrittenName = new Map<string, DirectiveName>();
for (const { table } of directiveGroups)
  for (const [name, directive] of Object.entries(table)) {
    all.set(name, directive);
    byWrittenName.set(name, name as DirectiveName);
    if (directive.alias !== undefined) byWrittenName.set(directive.alias, name as DirectiveName);
  }

export const directiveNames: readonly DirectiveName[] = [...all.keys()] as DirectiveName[];

export function directiveOf(name: DirectiveName): Directive {
  return all.get(name) as Directive;
}

/** The directive meant by a written name, in any case or by its alias; undefined when there is none. */
export function findDirective(written: string): DirectiveName | undefined {
  return byWrittenName.get(written.toLowerCase());
}

/** FUNCTION: libraries of functions. LISTFUNC and LISTLIB are Kvrocks'. */
import { Glob } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, type CommandDefinition } from '../command.ts';
import { commandWithRows, noArguments, subCommand, type SubCommand } from '../sub-command.ts';
import type { FunctionFacts, LibraryFacts, ScriptingPort } from './port.ts';
import { kill } from './script.ts';

function misused(name: string): Refusal {
  return new Refusal(`ERR unknown subcommand or wrong number of arguments for '${name}'. Try FUNCTION HELP.`);
}

interface Load {
  readonly code: Buffer;
  readonly replace: boolean;
}

function parseLoad(request: Request): Load | Refusal {
  let replace = false;
  for (let i = 2; i < request.count - 1; i++) {
    if (!request.is(i, 'replace')) return new Refusal(`ERR Unknown option given: ${request.latin1(i).slice(0, 128)}`);
    replace = true;
  }
  return { code: Buffer.from(request.bytes(request.count - 1)), replace };
}

interface List {
  readonly pattern: Buffer | undefined;
  readonly withCode: boolean;
}

function parseList(request: Request): List | Refusal {
  let pattern: Buffer | undefined;
  let withCode = false;
  for (let i = 2; i < request.count; i++) {
    if (!withCode && request.is(i, 'withcode')) withCode = true;
    else if (pattern === undefined && request.is(i, 'libraryname')) {
      if (++i === request.count) return new Refusal('ERR library name argument was not given');
      pattern = Buffer.from(request.bytes(i));
    } else return new Refusal(`ERR Unknown argument ${request.latin1(i).slice(0, 128)}`);
  }
  return { pattern, withCode };
}

function writeFunction({ name, description, flags }: FunctionFacts, reply: ReplyWriter): void {
  reply.map(3);
  reply.bulkLatin1('name');
  reply.bulkLatin1(name);
  reply.bulkLatin1('description');
  if (description === undefined) reply.nil();
  else reply.bulkLatin1(description);
  reply.bulkLatin1('flags');
  reply.set(flags.length);
  for (const flag of flags) reply.simple(flag);
}

function writeLibrary({ name, code, functions }: LibraryFacts, withCode: boolean, reply: ReplyWriter): void {
  reply.map(withCode ? 4 : 3);
  reply.bulkLatin1('library_name');
  reply.bulkLatin1(name);
  reply.bulkLatin1('engine');
  reply.bulkLatin1('LUA');
  reply.bulkLatin1('functions');
  reply.array(functions.length);
  for (const one of functions) writeFunction(one, reply);
  if (!withCode) return;
  reply.bulkLatin1('library_code');
  reply.bulk(code);
}

function writeStats(port: ScriptingPort, reply: ReplyWriter): void {
  const { running, libraries, functions } = port.stats();
  reply.map(2);
  reply.bulkLatin1('running_script');
  if (running === undefined) reply.nil();
  else {
    reply.map(3);
    reply.bulkLatin1('name');
    reply.bulkLatin1(running.name);
    reply.bulkLatin1('command');
    reply.array(running.command.length);
    for (const word of running.command) reply.bulk(word);
    reply.bulkLatin1('duration_ms');
    reply.integer(Math.round(running.durationMs));
  }
  reply.bulkLatin1('engines');
  reply.map(1);
  reply.bulkLatin1('LUA');
  reply.map(2);
  reply.bulkLatin1('libraries_count');
  reply.integer(libraries);
  reply.bulkLatin1('functions_count');
  reply.integer(functions);
}

/** What lists libraries. */
function listRows(port: ScriptingPort): SubCommand[] {
  return [
    subCommand<List>({
      name: 'list',
      arity: -2,
      usage: '[LIBRARYNAME <pattern>] [WITHCODE]',
      summary: 'Libraries and their functions.',
      parse: parseList,
      run(_call, { pattern, withCode }, reply): void {
        const glob = pattern === undefined ? undefined : new Glob(pattern);
        const shown = port.libraries().filter(({ name }) => {
          const bytes = Buffer.from(name);
          return glob === undefined || glob.matches({ buffer: bytes, start: 0, end: bytes.length });
        });
        reply.array(shown.length);
        for (const library of shown) writeLibrary(library, withCode, reply);
      },
    }),
    subCommand<string | undefined>({
      name: 'listfunc',
      arity: -2,
      usage: '[<function>]',
      summary: 'Functions and their libraries.',
      parse: (request) =>
        request.count > 3 ? misused('listfunc') : request.count === 3 ? request.latin1(2) : undefined,
      run(_call, wanted, reply): void {
        const found = port
          .libraries()
          .flatMap((library) => library.functions.map(({ name }) => ({ name, library: library.name })))
          .filter(({ name }) => wanted === undefined || name === wanted)
          .sort((a, b) => (a.name < b.name ? -1 : 1));
        reply.array(found.length);
        for (const { name, library } of found) {
          reply.map(2);
          reply.bulkLatin1('function_name');
          reply.bulkLatin1(name);
          reply.bulkLatin1('from_library');
          reply.bulkLatin1(library);
        }
      },
    }),
  ];
}

/** What shows one library, the state, and everything as a string. */
function showRows(port: ScriptingPort): SubCommand[] {
  return [
    subCommand<string>({
      name: 'listlib',
      arity: 3,
      usage: '<library>',
      summary: 'One library and the names of its functions.',
      parse: (request) => request.latin1(2),
      run(_call, wanted, reply): void {
        const library = port.libraries().find(({ name }) => name === wanted);
        if (library === undefined) {
          reply.error('ERR Library not found');
          return;
        }
        reply.map(3);
        reply.bulkLatin1('library_name');
        reply.bulkLatin1(library.name);
        reply.bulkLatin1('engine');
        reply.bulkLatin1('lua');
        reply.bulkLatin1('functions');
        reply.array(library.functions.length);
        for (const { name } of library.functions) reply.bulkLatin1(name);
      },
    }),
    subCommand<null>({
      name: 'stats',
      arity: 2,
      usage: '',
      summary: 'The function that runs, and how many there are.',
      parse: noArguments,
      run: (_call, _input, reply) => writeStats(port, reply),
    }),
    subCommand<null>({
      name: 'dump',
      arity: 2,
      usage: '',
      summary: 'All libraries in one string, for FUNCTION RESTORE.',
      parse: noArguments,
      run: (_call, _input, reply) => reply.bulk(port.dump()),
    }),
  ];
}

interface Restore {
  readonly payload: Buffer;
  readonly policy: 'append' | 'flush' | 'replace';
}

function parseRestore(request: Request): Restore | Refusal {
  if (request.count > 4) return misused('restore');
  const payload = Buffer.from(request.bytes(2));
  if (request.count === 3) return { payload, policy: 'append' };
  for (const policy of ['append', 'flush', 'replace'] as const) if (request.is(3, policy)) return { payload, policy };
  return new Refusal('ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.');
}

function parseFlush(request: Request): null | Refusal {
  if (request.count > 3) return misused('flush');
  if (request.count === 2 || request.is(2, 'async') || request.is(2, 'sync')) return null;
  return new Refusal('ERR FUNCTION FLUSH only supports SYNC|ASYNC option');
}

/** What changes libraries. */
function changeRows(port: ScriptingPort): SubCommand[] {
  return [
    subCommand<Load>({
      name: 'load',
      arity: -3,
      usage: '[REPLACE] <code>',
      summary: 'Makes a library of its text.',
      flags: ['write'],
      parse: parseLoad,
      run(_call, { code, replace }, reply): void {
        const loaded = port.loadLibrary(code, replace);
        if (typeof loaded === 'string') reply.error(loaded);
        else reply.bulkLatin1(loaded.name);
      },
    }),
    subCommand<string>({
      name: 'delete',
      arity: 3,
      usage: '<library>',
      summary: 'Deletes a library and its functions.',
      flags: ['write'],
      parse: (request) => request.latin1(2),
      run(_call, name, reply): void {
        if (port.deleteLibrary(name)) reply.ok();
        else reply.error('ERR Library not found');
      },
    }),
    subCommand<null>({
      name: 'flush',
      arity: -2,
      usage: '[ASYNC|SYNC]',
      summary: 'Deletes every library.',
      flags: ['write'],
      parse: parseFlush,
      run(_call, _input, reply): void {
        port.flushLibraries();
        reply.ok();
      },
    }),
    subCommand<Restore>({
      name: 'restore',
      arity: -3,
      usage: '<payload> [FLUSH|APPEND|REPLACE]',
      summary: 'Makes libraries of what FUNCTION DUMP gave.',
      flags: ['write'],
      parse: parseRestore,
      run(_call, { payload, policy }, reply): void {
        const refusal = port.restore(payload, policy);
        if (refusal === undefined) reply.ok();
        else reply.error(refusal);
      },
    }),
    subCommand<null>({
      name: 'kill',
      arity: 2,
      usage: '',
      summary: 'Ends the running function, unless it has written.',
      parse: noArguments,
      run: (_call, _input, reply) => kill(port, 'function', reply),
    }),
  ];
}

export function functionCommand(port: ScriptingPort): CommandDefinition {
  return commandWithRows({
    name: 'function',
    flags: ['no-script', 'slow'],
    group: 'scripting',
    since: '7.0.0',
    summary: 'Libraries of functions.',
    rows: [...changeRows(port), ...listRows(port), ...showRows(port)],
  });
}

/**
 * EVAL EVALSHA FCALL and their read-only forms. What is declared in a script's first line, or with a function, decides
 * whether the command passes as a write: a script that writes nothing may run on a replica.
 */
import type { ReplyWriter, Request } from '@holdfast/resp';
import { countedKeys } from '../data/numkeys.ts';
import { Refusal, define, errors, noKeys, type Call, type CommandDefinition, type CommandFlag } from '../command.ts';
import type { ScriptCall, ScriptingPort } from './port.ts';
import { parseScriptHead, type ScriptFlags } from './shebang.ts';

const writing: readonly CommandFlag[] = ['write', 'no-script', 'slow'];
const reading: readonly CommandFlag[] = ['readonly', 'no-script', 'slow'];
const staleReading: readonly CommandFlag[] = [...reading, 'stale'];
const staleWriting: readonly CommandFlag[] = [...writing, 'stale'];

function flagsFor(flags: ScriptFlags | undefined, readOnly: boolean): readonly CommandFlag[] {
  if (readOnly || flags?.noWrites === true) return flags?.allowStale === true ? staleReading : reading;
  return flags?.allowStale === true ? staleWriting : writing;
}

interface Form {
  readonly name: string;
  readonly since: string;
  readonly summary: string;
  readonly readOnly: boolean;
  /** What is said of a number of keys that is no number. */
  readonly notANumber: string;
  flags(request: Request): ScriptFlags | undefined;
  run(call: Call, script: ScriptCall, reply: ReplyWriter): void;
}

function parse(request: Request, { readOnly, notANumber }: Form): ScriptCall | Refusal {
  const keys = request.integer(2);
  if (Number.isNaN(keys)) return new Refusal(notANumber);
  if (keys < 0) return new Refusal("ERR Number of keys can't be negative");
  if (keys > request.count - 3) return new Refusal("ERR Number of keys can't be greater than number of args");
  return { request, keys, readOnly };
}

function command(form: Form): CommandDefinition {
  return define<ScriptCall>({
    name: form.name,
    arity: -3,
    flags: form.readOnly ? reading : writing,
    flagsOf: (request) => flagsFor(request.count > 1 ? form.flags(request) : undefined, form.readOnly),
    keys: noKeys,
    keyIndexes: (request) => countedKeys(request, 2),
    group: 'scripting',
    since: form.since,
    complexity: 'Depends on the script.',
    summary: form.summary,
    parse: (request) => parse(request, form),
    run: (call, script, reply) => form.run(call, script, reply),
  });
}

/** Flags in the text itself: only a text with a first line of its own has some. */
function flagsInText(request: Request): ScriptFlags | undefined {
  if (request.buffer[request.start(1)] !== 35) return undefined;
  const head = parseScriptHead(request.bytes(1));
  return typeof head === 'string' ? undefined : head.flags;
}

function both(form: Omit<Form, 'readOnly'>, sinceReadOnly: string): CommandDefinition[] {
  const readOnly = {
    ...form,
    name: `${form.name}_ro`,
    since: sinceReadOnly,
    summary: `${form.summary.slice(0, -1)} that writes nothing.`,
    readOnly: true,
  };
  return [command({ ...form, readOnly: false }), command(readOnly)];
}

export function runCommands(port: ScriptingPort): CommandDefinition[] {
  return [
    ...both(
      {
        name: 'eval',
        since: '2.6.0',
        summary: 'Runs a Lua script.',
        notANumber: errors.notInteger,
        flags: flagsInText,
        run: (call, script, reply) => port.evaluate(call, script, reply),
      },
      '7.0.0',
    ),
    ...both(
      {
        name: 'evalsha',
        since: '2.6.0',
        summary: 'Runs a Lua script that is known by its SHA-1.',
        notANumber: errors.notInteger,
        flags: (request) => port.scriptFlags(request.latin1(1).toLowerCase()),
        run: (call, script, reply) => port.evaluateKnown(call, script, reply),
      },
      '7.0.0',
    ),
    ...both(
      {
        name: 'fcall',
        since: '7.0.0',
        summary: 'Calls a function of a library.',
        notANumber: 'ERR Bad number of keys provided',
        flags: (request) => port.functionFlags(request.latin1(1)),
        run: (call, script, reply) => port.callFunction(call, script, reply),
      },
      '7.0.0',
    ),
  ];
}

/** DEBUG: aids for tests. What of Redis' own is about structures that do not exist here is refused as unknown. */
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, errors, type CommandDefinition } from '../command.ts';
import { commandWithRows, subCommand, type SubCommand } from '../sub-command.ts';

export interface DebugPort {
  /** Stops the event loop for so long. */
  stall(ms: number): void;
  /** Behaves as if `max-db-size` were reached, until it is told otherwise. */
  pretendFull(full: boolean): void;
}

/** Seconds DEBUG SLEEP takes at most: an hour. */
const sleepSecondsMax = 3600;

function sleepRow(port: DebugPort): SubCommand {
  return subCommand<number>({
    name: 'sleep',
    arity: 3,
    usage: '<seconds>',
    summary: 'Stops the event loop for so long; decimals are allowed.',
    parse: (request) => {
      const text = request.latin1(2);
      if (!/^[0-9]+(\.[0-9]+)?$/.test(text)) return new Refusal(errors.notFloat);
      const seconds = Number(text);
      return seconds <= sleepSecondsMax ? seconds * 1000 : new Refusal(errors.notFloat);
    },
    run: (_call, ms, reply) => {
      port.stall(ms);
      reply.ok();
    },
  });
}

function threeIntegers(reply: ReplyWriter): void {
  for (let i = 0; i < 3; i++) reply.integer(i);
}

/** An example of each type of reply. */
const examples: Readonly<Record<string, (reply: ReplyWriter) => void>> = {
  string: (reply) => reply.bulkText('Hello World'),
  integer: (reply) => reply.integer(12345),
  double: (reply) => reply.double('3.141'),
  null: (reply) => reply.nil(),
  array: (reply) => {
    reply.array(3);
    threeIntegers(reply);
  },
  set: (reply) => {
    reply.set(3);
    threeIntegers(reply);
  },
  map: (reply) => {
    reply.map(3);
    for (let i = 0; i < 3; i++) {
      reply.integer(i);
      reply.boolean(i === 1);
    }
  },
  bignum: (reply) => {
    const digits = '1234567999999999999999999999999999999';
    if (reply.protocol === 3) reply.raw(Buffer.from(`(${digits}\r\n`));
    else reply.bulkText(digits);
  },
  // In RESP2 too, and without a reply behind it, as Kvrocks' suite asserts.
  attrib: (reply) => reply.raw(Buffer.from('|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n')),
  verbatim: (reply) => reply.verbatim('verbatim string'),
  true: (reply) => reply.boolean(true),
  false: (reply) => reply.boolean(false),
};

const names = Object.keys(examples);

function protocolRow(): SubCommand {
  return subCommand<string>({
    name: 'protocol',
    arity: 3,
    usage: `<${names.join('|')}>`,
    summary: 'Answers an example of a type of reply.',
    parse: (request: Request) =>
      names.find((name) => request.is(2, name)) ??
      new Refusal(`ERR Wrong protocol type name. Please use one of the following: ${names.join('|')}`),
    run: (_call, name, reply) => examples[name]?.(reply),
  });
}

function parseSwitch(request: Request): boolean | Refusal {
  const text = request.latin1(2);
  return text === '0' || text === '1' ? text === '1' : new Refusal(errors.syntax);
}

function switchRows(port: DebugPort): SubCommand[] {
  return [
    subCommand<boolean>({
      name: 'dbsize-limit',
      arity: 3,
      usage: '<0|1>',
      summary: 'Behaves as if max-db-size were reached.',
      parse: parseSwitch,
      run: (_call, full, reply) => {
        port.pretendFull(full);
        reply.ok();
      },
    }),
    subCommand<boolean>({
      name: 'set-active-expire',
      arity: 3,
      usage: '<0|1>',
      summary: 'Accepted without effect: dead keys are never seen, and go by compaction.',
      parse: parseSwitch,
      run: (_call, _on, reply) => reply.ok(),
    }),
  ];
}

export function debugCommand(port: DebugPort): CommandDefinition {
  return define(
    commandWithRows({
      name: 'debug',
      // Not `no-script`: Kvrocks' suite asks for DEBUG PROTOCOL in scripts.
      flags: ['admin', 'loading', 'stale', 'exclusive'],
      group: 'server',
      since: '1.0.0',
      summary: 'Aids for tests.',
      rows: [sleepRow(port), protocolRow(), ...switchRows(port)],
    }),
  );
}

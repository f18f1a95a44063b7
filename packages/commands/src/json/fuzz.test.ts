// Random commands on random documents and paths: each ends with one well-formed reply, a refused one leaves the document
// as it was, and what is stored can be read again and holds no member out of order.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBelow, seededRandom } from '@holdfast/base';
import { openTestCommands } from '../data/testing/command-runner.ts';
import { short } from '../data/testing/transcript.ts';

const random = seededRandom(31);

function pick<T>(from: readonly T[]): T {
  return from[randomBelow(random, from.length)] as T;
}

const names = ['a', 'b', 'c'];
const steps = [
  '.a',
  '.b',
  '.c',
  '[0]',
  '[-1]',
  '[1:]',
  '[::-1]',
  '.*',
  '[*]',
  '..a',
  '..*',
  "['a','b']",
  '[0,1]',
  '[?(@.a)]',
  '[?(@>1)]',
  '[?(@.b=="x")]',
  '[?(@=~"x")]',
];

function path(): string {
  const text = Array.from({ length: randomBelow(random, 4) }, () => pick(steps)).join('');
  if (randomBelow(random, 4) > 0) return `$${text}`;
  return text === '' ? '.' : text;
}

function value(depth: number): string {
  const kind = randomBelow(random, depth > 0 ? 8 : 5);
  if (kind === 0) return String(randomBelow(random, 10) - 5);
  if (kind === 1) return pick(['1.5', '1e20', '-0.0', '9223372036854775807', '18446744073709551616']);
  if (kind === 2) return pick(['"x"', '"xy"', '""', '"\\u00e9"']);
  if (kind < 5) return pick(['true', 'false', 'null']);
  const items = Array.from({ length: randomBelow(random, 4) }, () => value(depth - 1));
  if (kind < 6) return `[${items.join(',')}]`;
  return `{${items.map((item) => `"${pick(names)}":${item}`).join(',')}}`;
}

const index = (): string => pick(['0', '1', '-1', '2', '-3', '100', '-100', 'x']);
const given = (): string => (randomBelow(random, 20) === 0 ? pick(['{', '', '[1', 'nul']) : value(2));

const commands: readonly (() => string[])[] = [
  () => ['JSON.SET', 'k', path(), given(), ...pick([[], ['NX'], ['XX']])],
  () => ['JSON.SET', 'k', '$', value(4)],
  () => ['JSON.GET', 'k', path()],
  () => ['JSON.GET', 'k', 'INDENT', ' ', 'NEWLINE', '\n', path(), path()],
  () => ['JSON.MGET', 'k', 'none', path()],
  () => ['JSON.TYPE', 'k', path()],
  () => ['JSON.ARRAPPEND', 'k', path(), given(), given()],
  () => ['JSON.ARRINSERT', 'k', path(), index(), given()],
  () => ['JSON.ARRTRIM', 'k', path(), index(), index()],
  () => ['JSON.ARRPOP', 'k', path(), index()],
  () => ['JSON.ARRINDEX', 'k', path(), given(), index(), index()],
  () => ['JSON.ARRLEN', 'k', path()],
  () => ['JSON.TOGGLE', 'k', path()],
  () => ['JSON.MERGE', 'k', path(), given()],
  () => ['JSON.CLEAR', 'k', path()],
  () => ['JSON.DEL', 'k', path()],
  () => ['JSON.NUMINCRBY', 'k', path(), pick(['1', '-2.5', '9223372036854775807'])],
  () => ['JSON.NUMMULTBY', 'k', path(), pick(['2', '0.5', '1e300'])],
  () => ['JSON.OBJKEYS', 'k', path()],
  () => ['JSON.OBJLEN', 'k', path()],
  () => ['JSON.STRAPPEND', 'k', path(), pick(['"y"', '1'])],
  () => ['JSON.STRLEN', 'k', path()],
  () => ['JSON.MSET', 'k', path(), given(), 'k', path(), given()],
  () => ['JSON.RESP', 'k', path()],
  () => ['JSON.DEBUG', 'MEMORY', 'k', path()],
];

/** Checks that members of every object rise, and gives the text back. */
function checked(text: string): string {
  const parsed: unknown = JSON.parse(text, (_, member: unknown) => {
    if (member !== null && typeof member === 'object' && !Array.isArray(member)) {
      const keys = Object.keys(member);
      assert.deepEqual(keys, [...keys].sort(), text);
    }
    return member;
  });
  assert.notEqual(parsed, undefined);
  return text;
}

test('random commands end well and leave a document that can be read', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const document = (): string => {
    const reply = short(runner.run('JSON.GET', 'k'));
    return reply === 'nil' ? reply : checked(Buffer.from(reply.slice(1), 'latin1').toString());
  };
  let refused = 0;
  let before = document();
  for (let i = 0; i < 6000; i++) {
    const args = pick(commands)();
    const reply = short(runner.run(...args));
    const after = document();
    if (reply.startsWith('-')) {
      refused++;
      assert.equal(after, before, args.join(' '));
    }
    if (runner.definitions.get((args[0] as string).toLowerCase())?.flags.includes('readonly') === true)
      assert.equal(after, before, args.join(' '));
    // Small enough to be quick, and never gone for long.
    if (after === 'nil' || after.length > 5000) runner.run('JSON.SET', 'k', '$', value(4));
    before = document();
    if (randomBelow(random, 50) === 0) runner.commit();
  }
  assert.ok(refused > 300 && refused < 4000, String(refused));
});

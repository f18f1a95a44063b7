import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JsonFailure, parseJson, printJson, spanOf, type JsonValue } from '@holdfast/engine';
import { parsePath } from './path-parser.ts';
import { distinct, fromLastToFirst, newBudget, rootNode, select, type Node, type Path } from './path.ts';
import { Pattern, compilePattern } from './pattern.ts';

function json(text: string): JsonValue {
  const value = parseJson(spanOf(text), 100);
  assert.ok(!(value instanceof JsonFailure), text);
  return value;
}

function parsedPath(path: string): Path {
  const parsed = parsePath(Buffer.from(path));
  assert.ok(!(parsed instanceof JsonFailure), `${path}: ${parsed instanceof JsonFailure ? parsed.message : ''}`);
  return parsed;
}

function nodesOf(text: string, path: string): Node[] {
  const parsed = parsedPath(path);
  const root = rootNode(json(text));
  return select(parsed.steps, root, root, newBudget()) ?? [];
}

/** What a path selects, as JSON text. */
function selected(text: string, path: string): string {
  return printJson(nodesOf(text, path).map(({ value }) => value)) as string;
}

const store =
  '{"book":[{"author":"Nigel","category":"reference","price":8.95},' +
  '{"author":"Evelyn","category":"fiction","price":12.99},' +
  '{"author":"Herman","category":"fiction","isbn":"0-553","price":8.99},' +
  '{"author":"J. R.","category":"fiction","isbn":"0-395","price":22}],' +
  '"limit":10,"odd name":{"é":1}}';

const table: readonly (readonly [document: string, path: string, result: string])[] = [
  [store, '$.book[*].author', '["Nigel","Evelyn","Herman","J. R."]'],
  [store, '$..author', '["Nigel","Evelyn","Herman","J. R."]'],
  [store, "$['odd name']", '[{"é":1}]'],
  [store, '$["odd name"].é', '[1]'],
  [store, '["odd name"]["\\u00e9"]', '[1]'],
  [store, '.["odd name"].é', '[1]'],
  [store, 'book[0].price', '[8.95]'],
  [store, '.book[0].price', '[8.95]'],
  [store, '$.book[-1].price', '[22]'],
  [store, '$.book[9].price', '[]'],
  [store, '$.book[-9].price', '[]'],
  [store, '$.book[0,-1,0].price', '[8.95,22,8.95]'],
  [store, "$.book[0]['price','author','none']", '[8.95,"Nigel"]'],
  [store, '$.book[1:3].price', '[12.99,8.99]'],
  [store, '$.book[:2].price', '[8.95,12.99]'],
  [store, '$.book[-2:].price', '[8.99,22]'],
  [store, '$.book[::2].price', '[8.95,8.99]'],
  [store, '$.book[::-1].price', '[22,8.99,12.99,8.95]'],
  [store, '$.book[3:0:-2].price', '[22,12.99]'],
  [store, '$.book[5:].price', '[]'],
  [store, '$..book[?(@.isbn)].price', '[8.99,22]'],
  [store, '$..book[?(!@.isbn)].price', '[8.95,12.99]'],
  [store, '$.book[?(@.price<10)].author', '["Nigel","Herman"]'],
  [store, '$.book[?@.price <= 8.95].author', '["Nigel"]'],
  [store, '$.book[?(@.price<$.limit && @.category=="fiction")].author', '["Herman"]'],
  [store, "$.book[?(@.price>20 || @['author']=='Nigel')].author", '["Nigel","J. R."]'],
  [store, '$.book[?((@.price>20 || @.price<8.96) && @.isbn)].author', '["J. R."]'],
  [store, '$.book[?(@.isbn != "0-553")].author', '["Nigel","Evelyn","J. R."]'],
  [store, '$.book[?(@.author =~ "^[HE]")].author', '["Evelyn","Herman"]'],
  [store, '$.book[?(@.author =~ "(?i)R\\\\.$")].author', '["J. R."]'],
  [store, '$.book[?(@.author =~ /nig/i)].price', '[8.95]'],
  [store, '$.book[?(@.price =~ "8")]', '[]'],
  [store, '$.*.é', '[1]'],
  ['{"a":{"a":{"a":1}}}', '$..a', '[{"a":{"a":1}},{"a":1},1]'],
  ['{"x":{"y":2},"a":{"x":{"y":3}},"y":4}', '$..y', '[4,3,2]'],
  ['[[1,[2]],3]', '$..[0]', '[[1,[2]],1,2]'],
  ['[[1,[2]],3]', '$..*', '[[1,[2]],3,1,[2],2]'],
  ['{"b":[1,2],"a":{"c":3}}', '$.*', '[{"c":3},[1,2]]'],
  ['{"1":"one","a":[10,11]}', '$.1', '["one"]'],
  ['{"1":"one","a":[10,11]}', '$.a.1', '[]'],
  ['[1,2.5,"1",true,null,[1],{"a":1},9007199254740993]', '$[?(@==1)]', '[1]'],
  ['[1,2.5,"1",true,null,[1],{"a":1},9007199254740993]', '$[?(@=="1")]', '["1"]'],
  ['[1,2.5,"1",true,null,[1],{"a":1},9007199254740993]', '$[?(@==true)]', '[true]'],
  ['[1,2.5,"1",true,null,[1],{"a":1},9007199254740993]', '$[?(@==null)]', '[null]'],
  ['[1,2.5,"1",true,null,[1],{"a":1},9007199254740993]', '$[?(@>9007199254740992)]', '[9007199254740993]'],
  ['[1,2.5,"1",true,null,[1],{"a":1},9007199254740993]', '$[?(@>=1)]', '[1,2.5,9007199254740993]'],
  ['[1,2.5,"1",true,null,[1],{"a":1},9007199254740993]', '$[?(@==$[5][0])]', '[1]'],
  ['[{"p":"^a","v":"ab"},{"p":"^b","v":"ab"},{"p":"(","v":"("}]', '$[?(@.v =~ @.p)].p', '["^a"]'],
  ['{"a":{"v":1},"b":{"v":2}}', '$[?(@.v>1)]', '[{"v":2}]'],
  ['{"a":[{"b":[1,2]},{"b":[3]}]}', '$.a[?(@.b[?(@==3)])]', '[{"b":[3]}]'],
  ['[5]', '.', '[[5]]'],
  ['[5]', '$', '[[5]]'],
  ['[5]', '[0]', '[5]'],
  ['{"it\'s":1,"a\\"b":2}', "$['it\\'s']", '[1]'],
  ['{"it\'s":1,"a\\"b":2}', "$['a\"b']", '[2]'],
];

test('paths select what they say, in the order of the document', () => {
  for (const [document, path, result] of table) assert.equal(selected(document, path), result, path);
});

test('what is no path is refused with the place', () => {
  const wrong = [
    '$.',
    '$..',
    '$[',
    '$[]',
    '$[1',
    "$['a]",
    '$[a]',
    '$[1,]',
    '$[::0]',
    '$.a b',
    '$.a]',
    '',
    '.a..',
    '$[?]',
    '$[?(]',
    '$[?(@.a==)]',
    '$[?(@.a=1)]',
    '$[?(@.a==1]',
    '$[?(@.a =~ 1)]',
    '$[?(@.a =~ "(")]',
    '$[?(@.a && )]',
    '$[?(01==1)]',
    "$['\\x']",
    '$[?(' + '('.repeat(40) + '@' + ')'.repeat(40) + ')]',
    '$[?(@' + '[?(@'.repeat(40) + ')]'.repeat(40) + ')]',
    '$' + '.a'.repeat(40_000),
  ];
  for (const path of wrong) {
    const parsed = parsePath(Buffer.from(path));
    assert.ok(parsed instanceof JsonFailure, path);
    assert.match(parsed.message, /^(invalid path at character \d+: |a path may have)/, path);
  }
  assert.ok(parsePath(Buffer.of(0x24, 0x2e, 0xff)) instanceof JsonFailure);
});

test('a path that would look at too much ends', () => {
  const deep = '['.repeat(99) + '1' + ']'.repeat(99);
  const root = rootNode(json(deep));
  const path = parsePath(Buffer.from(`$${'..*'.repeat(6)}`));
  assert.ok(!(path instanceof JsonFailure));
  assert.equal(select(path.steps, root, root, { left: 100_000 }), undefined);
});

test('nodes are put in order, each once: as selected, or from the last to the first', () => {
  const routes = (nodes: readonly Node[]): string => {
    const route = (node: Node): string => (node.up === undefined ? '' : `${route(node.up)}/${node.key}`);
    return nodes.map(route).join(' ');
  };
  const document = '{"a":{"a":[1,2,3,4,5,6,7,8,9,10,11]},"b":{"a":[]}}';
  const last = (path: string): string => routes(fromLastToFirst(nodesOf(document, path)) ?? []);
  const once = (path: string): string => routes(distinct(parsedPath(path), nodesOf(document, path)));
  assert.equal(last('$..a'), '/b/a /a/a /a');
  assert.equal(once('$..a'), '/a /a/a /b/a');
  assert.equal(last('$.a.a[2,10,2,0]'), '/a/a/10 /a/a/2 /a/a/0');
  assert.equal(once('$.a.a[2,10,2,0]'), '/a/a/2 /a/a/10 /a/a/0');
  assert.equal(once("$['b','a','b']"), '/b /a');
  assert.equal(once('$..a..*'), '/a/a /a/a/0 /a/a/1 /a/a/2 /a/a/3 /a/a/4 /a/a/5 /a/a/6 /a/a/7 /a/a/8 /a/a/9 /a/a/10');
});

const patterns: readonly (readonly [pattern: string, found: readonly string[], missed: readonly string[]])[] = [
  ['', ['', 'x'], []],
  ['abc', ['abc', 'xabcx'], ['ab', 'acb']],
  ['^abc$', ['abc'], ['xabc', 'abcx']],
  ['a|bc|', ['', 'z'], []],
  ['^(a|bc)$', ['a', 'bc'], ['', 'abc']],
  ['^a*b+c?$', ['b', 'aabbc'], ['a', 'acc']],
  ['^(?:ab){2,3}$', ['abab', 'ababab'], ['ab', 'abababab']],
  ['^a{2}$', ['aa'], ['a', 'aaa']],
  ['^a{2,}?$', ['aa', 'aaaa'], ['a']],
  ['^[a-cx_-]+$', ['abc', 'x-_'], ['d', '']],
  ['^[^a-c]$', ['d', 'é', '😀'], ['a', 'dd']],
  ['^[]a]$', [']', 'a'], ['b']],
  ['^\\d+\\.\\d\\w\\s\\S$', ['12.3x y'], ['12x3x y']],
  ['^\\D\\W$', ['a!'], ['1!', 'aa']],
  ['\\bcat\\b', ['a cat.', 'cat'], ['concat', 'cats']],
  ['\\Bcat', ['concat'], ['cat']],
  ['(?i)^straße [a-z]$', ['STRAßE Q'], ['strasse q']],
  ['^.$', ['x', '\u{1f600}', 'é'], ['\n', '']],
  ['^\\n\\t$', ['\n\t'], []],
  ['(a*)*b', ['aaab', 'b'], ['aaaa']],
  ['(a+)+$', ['aaa'], ['aaab']],
];

test('patterns match as regular expressions do', () => {
  for (const [text, found, missed] of patterns) {
    const pattern = compilePattern(text);
    assert.ok(pattern instanceof Pattern, text);
    for (const each of found) assert.ok(pattern.isFoundIn(each), `${text} in ${each}`);
    for (const each of missed) assert.ok(!pattern.isFoundIn(each), `${text} not in ${each}`);
  }
});

test('a pattern that takes JavaScript exponential time takes little', () => {
  const pattern = compilePattern('^(a|a)*(a|a|ab)*$');
  assert.ok(pattern instanceof Pattern);
  assert.ok(!pattern.isFoundIn('a'.repeat(5000) + 'c'));
});

test('what is no pattern is refused', () => {
  const wrong = [
    '(',
    ')',
    '[a',
    'a**' + '*'.repeat(3),
    '*a',
    'a{2,1}',
    'a{x}',
    'a{2',
    '\\',
    '\\q',
    '(?=a)',
    '[b-a]',
    '[\\d-z]',
    '[a-\\d]',
    'a{1001}',
    '((a{1000}){1000}){1000}',
    'x'.repeat(1025),
    '('.repeat(60) + ')'.repeat(60),
  ];
  for (const text of wrong) assert.equal(typeof compilePattern(text), 'string', text);
});

/** A seeded generator: a failure can be repeated. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

test('random texts end as a path or as a refusal', () => {
  const random = generator(7);
  const pieces = [
    '$',
    '.',
    '..',
    '[',
    ']',
    '*',
    '?',
    '(',
    ')',
    '@',
    'a',
    '"a"',
    "'",
    '1',
    '-',
    ':',
    ',',
    '==',
    '=~',
    '&&',
    '\\',
    ' ',
    '/',
    '"^a+"',
    '!',
    '{',
    'é',
  ];
  const document = rootNode(json('{"a":[1,{"a":"aa"},[[]]],"é":{"a":null}}'));
  let parsed = 0;
  for (let i = 0; i < 20_000; i++) {
    const text = Array.from({ length: 1 + random(12) }, () => pieces[random(pieces.length)]).join('');
    const path = parsePath(Buffer.from(text));
    if (path instanceof JsonFailure) continue;
    parsed++;
    assert.ok(select(path.steps, document, document, newBudget()) !== undefined, text);
  }
  assert.ok(parsed > 200, String(parsed));
});

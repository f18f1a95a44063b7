/** The conversation with a script, and every way to hold it wrong. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { addon, eventKind } from './native.ts';
import { LuaWorld } from './index.ts';
import { evaluate, finish, newWorld, scriptRun, wordsOf } from './testing/script.ts';

function codeOf(act: () => unknown): string | undefined {
  try {
    act();
    return 'nothing thrown';
  } catch (error) {
    return (error as { code?: string }).code;
  }
}

test('a script that takes long is paused, says where, and goes on', () => {
  const world = newWorld();
  assert.equal(world.compile('s', Buffer.from('local n = 0\nwhile n < 3e7 do n = n + 1 end\nreturn n'), 0), undefined);
  let kind = world.run(scriptRun('s', { sliceMs: 2 }));
  let pauses = 0;
  for (; kind === eventKind.paused; pauses++) {
    assert.match(wordsOf(world)[0] ?? '', /^@user_script:[123]$/);
    kind = world.resume(2);
  }
  assert.equal(kind, eventKind.done);
  assert.equal(world.reply().toString(), ':30000000\r\n');
  assert.ok(pauses > 3, `${pauses} pauses`);
});

test('it is paused within coroutines, pcall and callbacks too', () => {
  const world = newWorld();
  const loop = 'for i = 1, 3e6 do end';
  for (const body of [
    `return coroutine.wrap(function() ${loop} return 1 end)()`,
    `return select(2, pcall(function() ${loop} return 1 end))`,
    `string.gsub("abc", ".", function() ${loop} end) return 1`,
    `table.sort({3,2,1}, function(a, b) ${loop} return a < b end) return 1`,
  ]) {
    world.compile('s', Buffer.from(body), 0);
    let kind = world.run(scriptRun('s', { sliceMs: 1 }));
    assert.equal(kind, eventKind.paused, body);
    while (kind === eventKind.paused) kind = world.resume(1);
    assert.equal(world.reply().toString(), ':1\r\n');
  }
});

describe('it is paused in libraries and in its reply, and may be ended there', () => {
  // Each doubling of `x` costs as much again: none would end on its own.
  const tree = 'local x = {1} for i = 1, 60 do x = {x, x} end ';
  // A length that nobody filled: keys of a constructor are not moved into an array.
  const powers = Array.from({ length: 28 }, (_, i) => `[${2 ** i}]=1`).join();
  const bodies = {
    'a reply': `${tree} return x`,
    'a reply that contains itself': 'local x = {} x[1] = x x[2] = x return x',
    'cjson.encode': `${tree} return cjson.encode(x)`,
    'cjson.encode of a sparse array': 'cjson.encode_sparse_array(true, 0) return cjson.encode({[2147483647] = 1})',
    'cjson.decode': 'return #cjson.decode("[" .. string.rep("[],", 1e6) .. "1]")',
    'cmsgpack.pack': 'local x = {1} for i = 1, 15 do x = {x, x, x, x, x, x, x, x} end return cmsgpack.pack(x)',
    'cmsgpack.unpack': 'return #cmsgpack.unpack(string.char(0xdd, 0, 15, 0, 0) .. string.rep(string.char(0x90), 1e6))',
    'table.remove': `local t = {${powers}} table.remove(t, 1)`,
    'table.insert': 'local t = {} for i = 1, 3e5 do t[i] = i end for i = 1, 50 do table.insert(t, 1, i) end',
    'table.sort': 'local t = {} for i = 1, 3e5 do t[i] = -i end table.sort(t)',
    'table.sort by a C function': 'local t = {} for i = 1, 3e5 do t[i] = i end table.sort(t, rawequal)',
  };
  for (const [name, body] of Object.entries(bodies)) {
    test(name, () => {
      const world = newWorld(512 << 20);
      assert.equal(world.compile('s', Buffer.from(body), 0), undefined);
      let kind = world.run(scriptRun('s', { sliceMs: 1 }));
      // Its own instructions take a few slices before.
      for (let slices = 0; kind === eventKind.paused && slices < 30; slices++) kind = world.resume(1);
      assert.equal(kind, eventKind.paused);
      world.close();
      assert.equal(world.memoryBytes, 0);
    });
  }

  test('what was paused is complete', () => {
    const world = newWorld();
    const words = 'local t = {} for i = 1, 50000 do t[i] = "w" .. i end ';
    const bodies = [
      'local back = cjson.decode(cjson.encode(t)) return back',
      'local back = cmsgpack.unpack(cmsgpack.pack(t)) return back',
      'table.insert(t, 1, "first") table.remove(t, 1) return t',
      'table.sort(t) table.sort(t, function(a, b) return tonumber(a:sub(2)) < tonumber(b:sub(2)) end) return t',
    ];
    const expected = Array.from({ length: 50_000 }, (_, i) => `$${`w${i + 1}`.length}\r\nw${i + 1}\r\n`).join('');
    for (const body of bodies) {
      world.compile('s', Buffer.from(words + body), 0);
      let pauses = 0;
      let kind = world.run(scriptRun('s', { sliceMs: 1 }));
      for (; kind === eventKind.paused; pauses++) kind = world.resume(1);
      assert.equal(kind, eventKind.done, body);
      assert.ok(pauses > 3, `${pauses} pauses: ${body}`);
      assert.equal(world.reply().toString(), `*50000\r\n${expected}`, body);
    }
  });
});

test('an error with a metatable is not asked what it says', () => {
  const world = newWorld();
  const endless = 'setmetatable({}, {__index = function() while true do end end, __tostring = error})';
  assert.match(evaluate(world, `error(${endless})`), /^-ERR unknown error script: sha, on @user_script:1\./);
  assert.match(evaluate(world, `local e = ${endless} e.err = "MINE x" error(e)`), /^-MINE x script: sha/);
});

test('a world is closed in the middle of a script, wherever it stands', () => {
  for (const body of [
    'while true do end',
    'while true do pcall(function() while true do end end) end',
    'coroutine.wrap(function() while true do end end)()',
    'string.gsub("a", "a", function() while true do end end)',
    'return redis.call("x")',
  ]) {
    const world = newWorld();
    world.compile('s', Buffer.from(body), 0);
    const kind = world.run(scriptRun('s', { sliceMs: 1 }));
    assert.ok(kind === eventKind.paused || kind === eventKind.call);
    world.close();
    world.close();
    assert.equal(
      codeOf(() => world.resume()),
      'LUA_CLOSED',
    );
    assert.equal(
      codeOf(() => world.compile('s', Buffer.from('return 1'), 0)),
      'LUA_CLOSED',
    );
    assert.equal(world.memoryBytes, 0);
  }
});

test('libraries register functions, and run them with what they share', () => {
  const world = newWorld();
  const code = Buffer.from(
    'local n = 0 redis.register_function("add", function(keys, args) n = n + args[1] return {n, #keys} end)\n' +
      "redis.register_function{function_name='ro', callback=function() return 1 end, flags={'no-writes'}, description='d'}",
  );
  assert.deepEqual(world.load('l:', code, 0, 500), [
    { name: 'add', description: undefined, flags: [] },
    { name: 'ro', description: 'd', flags: ['no-writes'] },
  ]);
  assert.equal(finish(world, 'l:add', { isFunction: true, keys: ['a'], args: ['5'] }), '*2\r\n:5\r\n:1\r\n');
  assert.equal(finish(world, 'l:add', { isFunction: true, args: ['5'] }), '*2\r\n:10\r\n:0\r\n');
  world.forget('l:add');
  assert.match(finish(world, 'l:add', { isFunction: true }), /^-NOSCRIPT/);
});

test('a library that cannot be loaded says why, and later scripts find their globals', () => {
  const world = newWorld();
  const cases: readonly (readonly [string, RegExp])[] = [
    ['x x', /Error compiling function/],
    ['return math.random()', /nonexistent global variable 'math'/],
    ['return redis.call("ping")', /nonexistent global variable 'call'/],
    ['redis.register_function()', /wrong number of arguments to redis.register_function/],
    ['redis.register_function("f")', /single argument is only applicable to Lua table/],
    ['redis.register_function("f", 1)', /second argument .* must be a function/],
    ['redis.register_function("a\\0b", function() end)', /can only contain letters/],
    ['redis.register_function("f", function() end, {"unknown"})', /unknown flag given/],
    ['redis.register_function{function_name="f"}', /must get a callback argument/],
    ['redis.register_function{some="f"}', /unknown argument given/],
    ['redis.register_function("f", function() end) redis.register_function("f", function() end)', /already exists/],
    ['redis.x = 1', /readonly table/],
    ['x = 1', /readonly table/],
    ['while true do end', /FUNCTION LOAD timeout/],
    ['\x1bLua', /byte code/],
  ];
  for (const [code, expected] of cases) {
    const loaded = world.load('l:', Buffer.from(code), 0, 20);
    assert.equal(typeof loaded, 'string', code);
    assert.match(loaded as string, expected);
    assert.equal(evaluate(world, 'return math.floor(1.5)'), ':1\r\n');
  }
});

test('every misuse is an error with a code', () => {
  const world = newWorld();
  world.compile('s', Buffer.from('return redis.call("x")'), 0);
  const run = scriptRun('s');
  const wrong = <T>(value: unknown): T => value as T;
  const detached = new Uint8Array(8);
  structuredClone(detached.buffer, { transfer: [detached.buffer] });
  const bad: (() => unknown)[] = [
    () => new LuaWorld({ memoryBytesMax: -1, version: '7' }),
    () => new LuaWorld({ memoryBytesMax: NaN, version: '7' }),
    () => wrong<(...args: unknown[]) => void>(addon.World)(1, '7', 1),
    () => world.compile(wrong(undefined), Buffer.alloc(1), 0),
    () => world.compile('x'.repeat(5000), Buffer.alloc(1), 0),
    () => world.compile('s', wrong('text'), 0),
    () => world.compile('s', Buffer.alloc(1), 2),
    () => world.compile('s', Buffer.alloc(1), -1),
    () => world.forget(wrong(7)),
    () => world.load('l', wrong(null), 0, 1),
    () => world.run({ ...run, bytes: wrong('x') }),
    () => world.run({ ...run, bounds: wrong(new Uint32Array(2)) }),
    () => world.run({ ...run, keys: 1 }),
    () => world.run({ ...run, keys: -1 }),
    () => world.run({ ...run, first: 2 ** 31 - 1, keys: 2 ** 31 - 1 }),
    () => world.run({ ...run, keys: 1, bytes: Buffer.alloc(4), bounds: Int32Array.of(0, 5) }),
    () => world.run({ ...run, keys: 1, bytes: Buffer.alloc(4), bounds: Int32Array.of(3, 2) }),
    () => world.run({ ...run, keys: 1, bytes: detached, bounds: Int32Array.of(0, 5) }),
    () => world.setMemoryBytesMax(0),
  ];
  for (const act of bad) assert.equal(codeOf(act), 'LUA_ARGUMENT', act.toString());
  assert.equal(
    codeOf(() => new LuaWorld({ memoryBytesMax: 1000, version: '7' })),
    'LUA_MEMORY',
  );
  assert.equal(
    codeOf(() => world.resume()),
    'LUA_STATE',
  );
  assert.equal(world.run(run), eventKind.call);
  assert.equal(
    codeOf(() => world.run(run)),
    'LUA_STATE',
  );
  assert.equal(
    codeOf(() => world.compile('t', Buffer.alloc(0), 0)),
    'LUA_STATE',
  );
  assert.equal(
    codeOf(() => world.forget('s')),
    'LUA_STATE',
  );
  assert.equal(
    codeOf(() => world.answer(wrong('x'))),
    'LUA_ARGUMENT',
  );
  assert.equal(world.answer(Buffer.from(':1\r\n')), eventKind.done);
});

test('a reply that is no RESP is an error of the script', () => {
  const world = newWorld();
  for (const reply of [
    '',
    ':',
    ':x\r\n',
    '$5\r\nab\r\n',
    '*2\r\n:1\r\n',
    '%1\r\n:1\r\n',
    '?\r\n',
    '=1\r\na\r\n',
    '*99999999999\r\n',
  ]) {
    assert.match(evaluate(world, 'return redis.call("x")', { answer: () => reply }), /could not be read/, reply);
  }
  const deep = `${'*1\r\n'.repeat(100000)}:1\r\n`;
  assert.match(evaluate(world, 'return redis.call("x")', { answer: () => deep }), /too deep/);
});

test('a thousand worlds come and go, some in the middle of a script', () => {
  const child = `
    const { newWorld, scriptRun } = await import(process.argv[1]);
    for (let i = 0; i < 1000; i++) {
      const world = newWorld();
      world.compile('s', Buffer.from(i % 2 ? 'return 1' : 'while true do pcall(redis.call, "x") end'), 0);
      world.run(scriptRun('s', { sliceMs: 1 }));
      if (i % 3 === 0) world.close();
      if (i % 100 === 0) globalThis.gc();
    }
    globalThis.gc();
    console.log(process.memoryUsage().rss < 700e6 ? 'fine' : 'leaks ' + process.memoryUsage().rss);
  `;
  const script = new URL('./testing/script.ts', import.meta.url).href;
  const flags = ['--expose-gc', '--experimental-strip-types', '--no-warnings', '--input-type=module'];
  const ended = spawnSync(process.execPath, [...flags, '-e', child, script], { encoding: 'utf8' });
  assert.equal(ended.stdout.trim(), 'fine', ended.stderr);
});

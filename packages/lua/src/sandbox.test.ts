/** Whatever a script tries, it reaches nothing of the host, changes nothing that others share, and ends in an error. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { evaluate, newWorld } from './testing/script.ts';

const world = newWorld(32 << 20);

describe('what is not there', () => {
  const absent = [
    ...['print', 'require', 'module', 'package', 'io', 'debug', 'dofile', 'loadfile', 'newproxy', 'getfenv', 'setfenv'],
  ];
  for (const name of absent) {
    test(name, () => assert.match(evaluate(world, `return ${name}`), /nonexistent global variable/));
  }
  for (const name of ['os.execute', 'os.exit', 'os.remove', 'os.getenv', 'os.tmpname', 'string.gfind']) {
    test(name, () => assert.equal(evaluate(world, `return ${name} == nil`), ':1\r\n'));
  }
  test('os.clock is', () => assert.equal(evaluate(world, 'return os.clock() >= 0'), ':1\r\n'));
});

describe('what is shared cannot be changed', () => {
  const tries = [
    'x = 1',
    '_G.x = 1',
    'redis = 1',
    '_G = {}',
    'redis.call = 1',
    'redis.new = 1',
    'cjson.encode = 1',
    'string.rep = 1',
    'rawset(_G, "x", 1)',
    'rawset(redis, "call", 1)',
    'table.insert(redis, 1)',
    'table.insert(string, "a")',
    'table.remove(_G, 1)',
    'table.sort(redis)',
    'setmetatable(_G, {})',
    'setmetatable(redis, nil)',
    'getmetatable(_G).__index = {}',
    'getmetatable(_G).__index.redis = 1',
    'getmetatable("").__index = {}',
    'getmetatable("").__index.rep = 1',
    'getmetatable(redis).__newindex = nil',
    'rawset(getmetatable(redis), "__index", {})',
    'setmetatable(getmetatable(""), {})',
    'local _, f = next({string}) f.rep = 1',
  ];
  for (const one of tries) {
    test(one, () => {
      assert.match(evaluate(world, one), /Attempt to modify a readonly table|cannot change a protected metatable/);
      assert.equal(
        evaluate(world, 'return ("ab"):rep(2) .. type(redis.call) .. type(cjson.encode)'),
        '$20\r\nababfunctionfunction\r\n',
      );
    });
  }
});

test('what is shared can be looked at', () => {
  const names = evaluate(
    world,
    'local names = {} for name in pairs(redis) do names[#names + 1] = name end table.sort(names) return names[#names]',
  );
  assert.equal(names, '$12\r\nstatus_reply\r\n');
  assert.equal(evaluate(world, 'return type(rawget(redis, "call"))'), '$8\r\nfunction\r\n');
  assert.equal(evaluate(world, 'return rawget(_G, "nothing") == nil'), ':1\r\n');
  assert.equal(evaluate(world, 'return type(next(string))'), '$6\r\nstring\r\n');
});

test('a script leaves nothing behind for the next', () => {
  evaluate(world, 'local a = KEYS a[1] = "left" collectgarbage("stop")', { keys: ['k'] });
  assert.equal(evaluate(world, 'return #KEYS'), ':0\r\n');
  assert.match(evaluate(world, 'function f() end'), /readonly/);
});

test('byte code is refused however it comes', () => {
  const dumped = 'local code = string.dump(function() return 1 end) ';
  assert.equal(evaluate(world, `${dumped} return loadstring(code) == nil`), ':1\r\n');
  const pieces = 'local at = 0 local f = load(function() at = at + 1 return code:sub(at, at) end) return f == nil';
  assert.equal(evaluate(world, dumped + pieces), ':1\r\n');
  assert.match(evaluate(world, '\x1bLua'), /byte code is not accepted/);
});

describe('what needs too much ends in an error', () => {
  const bombs: readonly (readonly [string, RegExp])[] = [
    ['return string.rep("x", 1e9)', /not enough memory/],
    ['return string.rep("x", 2^53)', /not enough memory/],
    ['return string.rep("", 1e9)', /^\$0/],
    ['local t = {} while true do t[#t + 1] = {} end', /not enough memory/],
    ['local s = "x" while true do s = s .. s end', /not enough memory/],
    ['local t = {} for i = 1, 1e9 do t[i] = i end', /not enough memory/],
    ['local function f() return f() + 1 end f()', /stack overflow/],
    ['local function f() return pcall(f) end return tostring(f())', /^\$|overflow/],
    ['local function f() coroutine.wrap(f)() end f()', /overflow/],
    ['local function f(s) return string.gsub("a", "a", f) end f()', /overflow/],
    ['local t = setmetatable({}, {}) getmetatable(t).__index = function(_, k) return t[k] end return t.x', /overflow/],
    ['local function f(a, b) table.sort({1, 2}, f) return false end f()', /overflow/],
    ['return string.find("a", string.rep("a?", 100000))', /pattern too complex/],
    ['return string.find("a", string.rep("a-", 3900) .. "b") == nil', /:1/],
    ['return loadstring("return " .. string.rep("(", 10000) .. "1" .. string.rep(")", 10000)) == nil', /:1/],
    ['return loadstring(string.rep("do ", 10000)) == nil', /:1/],
    ['return unpack({}, 1, 1e8)', /too many results/],
    ['return select("#", unpack({}, 1, 7000))', /:7000/],
    ['return cjson.decode(string.rep("[", 1e6))', /too many nested/],
    ['cjson.decode_max_depth(1e9) return cjson.decode(string.rep("[", 1e6))', /too many nested/],
    ['cjson.encode_max_depth(1e9) local a = {} a[1] = a return cjson.encode(a)', /excessive nesting/],
    ['return cmsgpack.unpack(string.rep(string.char(0x91), 1e6))', /stack overflow|too many/],
    ['return cmsgpack.unpack(string.char(0xdd, 255, 255, 255, 255))', /Missing bytes/],
    ['return cmsgpack.unpack(string.char(0xdb, 255, 255, 255, 255))', /Missing bytes/],
    ['return struct.pack("i33", 1)', /larger than limit/],
    ['return struct.pack("!3i4", 1)', /power of 2/],
    ['return struct.unpack("c99999999999", "a")', /overflow/],
    ['return struct.unpack("I4", "abcd", 1e18)', /too short/],
    ['return struct.unpack("c0", "abc")', /previous size/],
    ['return struct.pack("I4")', /no value/],
    ['table.insert({}, -2147483648, 1)', /out of bounds/],
    ['return bit.lshift(0/0, 1/0) ~= nil', /:1/],
    ['return string.format("%99.99f", 1e308)', /./],
    ['error(setmetatable({}, {__tostring = error}))', /unknown error/],
    ['xpcall(error, error)', /^\$-1/],
  ];
  for (const [script, expected] of bombs) {
    test(script, () => {
      assert.match(evaluate(world, script), expected);
      assert.equal(evaluate(world, 'return 1'), ':1\r\n');
    });
  }
  test('and memory comes back', () => {
    evaluate(world, 'collectgarbage()');
    assert.ok(world.memoryBytes < 2 << 20, `${world.memoryBytes} bytes`);
  });
});

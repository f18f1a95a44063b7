/** Redis' Lua API by table: conversions both ways, errors, libraries. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { evaluate, newWorld, type ScriptOptions } from './testing/script.ts';

const world = newWorld();
const at = ' script: sha, on @user_script:1.\r\n';

type Case = readonly [script: string, reply: string, options?: ScriptOptions];

function table(name: string, cases: readonly Case[]): void {
  describe(name, () => {
    for (const [script, reply, options] of cases) {
      test(script, () => assert.equal(evaluate(world, script, options), reply));
    }
  });
}

const answers = (reply: string, protocol: 2 | 3 = 2): ScriptOptions => ({ answer: () => reply, protocol });

table('Lua to RESP', [
  ['return 1', ':1\r\n'],
  ['return 3.99', ':3\r\n'],
  ['return -3.99', ':-3\r\n'],
  ['return "a\\0b"', '$3\r\na\0b\r\n'],
  ['return true', ':1\r\n'],
  ['return false', '$-1\r\n'],
  ['return false', '_\r\n', { protocol: 3 }],
  ['redis.setresp(3) return false', '#f\r\n', { protocol: 3 }],
  ['redis.setresp(3) return false', ':0\r\n'],
  ['return nil', '$-1\r\n'],
  ['return {1,{2,"x"},nil,4}', '*2\r\n:1\r\n*2\r\n:2\r\n$1\r\nx\r\n'],
  ['return {ok="fi\\r\\nne"}', '+fi  ne\r\n'],
  ['return {err="A b\\nc"}', '-A b c\r\n'],
  ['return {double=3.25}', '$4\r\n3.25\r\n'],
  ['return {double=3.25}', ',3.25\r\n', { protocol: 3 }],
  ['return {double=1/0}', ',inf\r\n', { protocol: 3 }],
  ['return {map={a=1}}', '*2\r\n$1\r\na\r\n:1\r\n'],
  ['return {map={a=1}}', '%1\r\n$1\r\na\r\n:1\r\n', { protocol: 3 }],
  ['return {set={a=true}}', '~1\r\n$1\r\na\r\n', { protocol: 3 }],
  ['return {big_number="12\\r\\n3"}', '(12  3\r\n', { protocol: 3 }],
  ['return {verbatim_string={format="txt",string="a"}}', '=5\r\ntxt:a\r\n', { protocol: 3 }],
  ['return {verbatim_string={format="txt",string="a"}}', '$1\r\na\r\n'],
  ['return setmetatable({}, {__index=function() error("x") end})', '*0\r\n'],
  ['return _G', '*0\r\n'],
  ['return {KEYS[1],KEYS[2],ARGV[1]}', '*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n', { keys: ['a', 'b'], args: ['c'] }],
]);

table('RESP to Lua', [
  ['return type(redis.call("x"))', '$6\r\nnumber\r\n', answers(':5\r\n')],
  ['return redis.call("x") + 1', ':6\r\n', answers(':5\r\n')],
  ['return redis.call("x") == false', ':1\r\n', answers('$-1\r\n')],
  ['return redis.call("x") == false', ':1\r\n', answers('*-1\r\n')],
  ['return redis.call("x") == nil', ':1\r\n', answers('_\r\n')],
  ['return redis.call("x").ok', '$2\r\nOK\r\n', answers('+OK\r\n')],
  ['return redis.pcall("x").err', '$5\r\nERR x\r\n', answers('-ERR x\r\n')],
  ['return redis.pcall("x").err', '$5\r\nERR x\r\n', answers('-x\r\n')],
  ['return #redis.call("x")', ':3\r\n', answers('*3\r\n:1\r\n$-1\r\n$1\r\na\r\n')],
  ['return redis.call("x").map.k', ':7\r\n', answers('%1\r\n$1\r\nk\r\n:7\r\n')],
  ['return redis.call("x").set.k', ':1\r\n', answers('~1\r\n$1\r\nk\r\n')],
  ['return tostring(redis.call("x").double)', '$3\r\n3.5\r\n', answers(',3.5\r\n')],
  ['redis.setresp(3) return redis.call("x")', '#t\r\n', answers('#t\r\n', 3)],
  ['return redis.call("x").big_number', '$2\r\n12\r\n', answers('(12\r\n')],
  ['return redis.call("x").verbatim_string.format', '$3\r\ntxt\r\n', answers('=5\r\ntxt:a\r\n')],
  ['return redis.call("x")', ':2\r\n', answers('|1\r\n+a\r\n:1\r\n:2\r\n')],
  ['return redis.call("set","k",1,2.5,1e20,9007199254740991)', '$34\r\nset k 1 2.5 1e+20 9007199254740991\r\n'],
]);

table('errors', [
  ['return redis.call()', `-ERR Please specify at least one argument for this redis lib call${at}`],
  ['return redis.pcall().err', '$64\r\nERR Please specify at least one argument for this redis lib call\r\n'],
  ['return redis.call({})', `-ERR Lua redis lib command arguments must be strings or integers${at}`],
  ['redis.call("x")', `-ERR bad${at}`, answers('-ERR bad\r\n')],
  ['return redis.pcall("x")', '-ERR bad\r\n', answers('-ERR bad\r\n')],
  ['return pcall(redis.call, "x")', '$-1\r\n', answers('-ERR bad\r\n')],
  ['error("x")', `-ERR user_script:1: x${at}`],
  ['error()', `-ERR nil${at}`],
  ['error({err="A b"})', `-A b${at}`],
  ['error({})', `-ERR unknown error${at}`],
  ['return foo', `-ERR user_script:1: Script attempted to access nonexistent global variable 'foo'${at}`],
  ['\n\nreturn nil + 1', `-ERR user_script:3: attempt to perform arithmetic on a nil value${at.replace(':1', ':3')}`],
  ['x x', "-ERR Error compiling script (new function): user_script:1: '=' expected near 'x'\r\n"],
  ['return redis.error_reply("A b")', '-A b\r\n'],
  ['return redis.error_reply("-A b")', '-A b\r\n'],
  ['return redis.error_reply("x")', '-ERR x\r\n'],
  ['return redis.error_reply("")', '-ERR\r\n'],
  ['return redis.error_reply()', '-ERR wrong number or type of arguments\r\n'],
  ['return redis.status_reply("A b")', '+A b\r\n'],
  ['redis.sha1hex()', `-ERR wrong number of arguments${at}`],
  ['redis.setresp(4)', `-ERR RESP version must be 2 or 3.${at}`],
  ['redis.setresp(3)', `-ERR You need set resp3-enabled to yes to enable RESP3.${at}`, { resp3: false }],
  ['redis.set_repl(9)', `-ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.${at}`],
  ['redis.log(9, "x")', `-ERR Invalid debug level.${at}`],
]);

table('libraries', [
  ['return redis.sha1hex("Pizza & Mandolino")', '$40\r\n74822d82031af7493c20eefa13bd07ec4fada82f\r\n'],
  ['return redis.sha1hex(string.rep("a", 119))', '$40\r\nee971065aaa017e0632a8ca6c77bb3bf8b1dfc56\r\n'],
  ['return redis.REDIS_VERSION .. redis.REDIS_VERSION_NUM', '$11\r\n7.2.4459268\r\n'],
  ['return server.call == redis.call', ':1\r\n'],
  ['return redis.acl_check_cmd("get", "a")', ':1\r\n'],
  [
    'return cjson.encode({1.5,1e20,"a/\\"\\n",{},0.1,true,cjson.null})',
    '$38\r\n[1.5,1e+20,"a\\/\\"\\n",{},0.1,true,null]\r\n',
  ],
  ['return cjson.encode({[1]=1,[2]=2})', '$5\r\n[1,2]\r\n'],
  [
    'return cjson.encode({[1]=1,[1000]=2})',
    `-ERR user_script:1: Cannot serialise table: excessively sparse array${at}`,
  ],
  [
    'return cjson.encode(print0)',
    `-ERR user_script:1: Script attempted to access nonexistent global variable 'print0'${at}`,
  ],
  [
    'return cjson.decode("[0.0, -5e3, 0.3e-3, \\"\\\\u00e9\\\\ud83d\\\\ude00\\"]")[4]',
    '$6\r\nÃ©ð\u009f\u0098\u0080\r\n',
  ],
  ['return cjson.decode("[1,")', `-ERR user_script:1: Expected value but found T_END at character 4${at}`],
  ['return cjson.decode("x")', `-ERR user_script:1: Expected value but found invalid token at character 1${at}`],
  [
    'local a = {} a.a = a return cjson.encode(a)',
    `-ERR user_script:1: Cannot serialise, excessive nesting (1001)${at}`,
  ],
  [
    'return cjson.decode(string.rep("[", 2000))',
    `-ERR user_script:1: Found too many nested data structures (1001)${at}`,
  ],
  ['return cmsgpack.pack(0.1)', '$9\r\n\xcb?\xb9\x99\x99\x99\x99\x99\x9a\r\n'],
  ['return cmsgpack.pack(-1099511627776)', '$9\r\n\xd3\xff\xff\xff\0\0\0\0\0\r\n'],
  ['return {cmsgpack.unpack(cmsgpack.pack(1, "a", {2}))}', '*3\r\n:1\r\n$1\r\na\r\n*1\r\n:2\r\n'],
  ['return {cmsgpack.unpack_one(cmsgpack.pack(1, 2), 0)}', '*2\r\n:1\r\n:1\r\n'],
  ['return {cmsgpack.unpack_limit(cmsgpack.pack(1, 2), 5)}', '*3\r\n:-1\r\n:1\r\n:2\r\n'],
  ['return cmsgpack.unpack(string.char(0x92))', `-ERR user_script:1: Missing bytes in input.${at}`],
  ['return cmsgpack.unpack(string.char(0xc1))', `-ERR user_script:1: Bad data format in input.${at}`],
  ['return struct.pack(">I4<i2Bs", 1, -2, 3, "x")', '$9\r\n\0\0\0\x01\xfe\xff\x03x\0\r\n'],
  [
    'return {struct.unpack(">I4<i2Bs", struct.pack(">I4<i2Bs", 1, -2, 3, "x"))}',
    '*5\r\n:1\r\n:-2\r\n:3\r\n$1\r\nx\r\n:10\r\n',
  ],
  ['return struct.size("!4Bi4")', ':8\r\n'],
  ['return struct.unpack(">I4", "ab")', `-ERR user_script:1: bad argument #2 to 'unpack' (data string too short)${at}`],
  [
    'return {bit.tobit(0xffffffff), bit.band(12, 10), bit.bswap(1), bit.rol(1, 33)}',
    '*4\r\n:-1\r\n:8\r\n:16777216\r\n:2\r\n',
  ],
  ['return bit.tohex(65535, -2147483648)', '$8\r\n0000FFFF\r\n'],
  ['return bit.arshift(-8, 1) .. bit.rshift(-8, 28) .. bit.ror(1, 1)', '$15\r\n-415-2147483648\r\n'],
  ['return load(function() return nil end) ~= nil', ':1\r\n'],
  ['return loadstring("return 5")()', ':5\r\n'],
  ['return ({pcall(loadstring, string.dump(function() end))})[2] == nil', ':1\r\n'],
]);

test('math.random follows its seed, and every run is given one', () => {
  const draw = (seed: number): string => evaluate(world, 'return tostring(math.random())', { seed });
  assert.equal(draw(1), draw(1));
  assert.notEqual(draw(1), draw(2));
  const seeded = 'math.randomseed(ARGV[1]) return tostring(math.random())';
  assert.equal(evaluate(world, seeded, { args: ['10'], seed: 3 }), evaluate(world, seeded, { args: ['10'], seed: 4 }));
});

test('redis.log joins its words', () => {
  const log: string[] = [];
  evaluate(world, 'redis.log(redis.LOG_WARNING, "a", 3, {}, "b")', { log });
  assert.deepEqual(log, ['3 a 3 b']);
});

test('a table that contains itself is told to the depth of the stack, and the connection goes on', () => {
  const reply = evaluate(world, 'local a = {} a[1] = a return a');
  assert.match(reply, /^(\*1\r\n)+-ERR reached lua stack limit\r\n$/);
});

test('many arguments and large ones are handed over', () => {
  assert.equal(
    evaluate(world, 'local a = {} for i = 1, 7999 do a[i] = "x" end return #redis.call(unpack(a))'),
    ':15997\r\n',
  );
  assert.equal(evaluate(world, 'return #redis.call(string.rep("x", 3000000))'), ':3000000\r\n');
});

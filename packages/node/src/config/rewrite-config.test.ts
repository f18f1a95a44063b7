import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Config } from './config.ts';
import { parseConfig } from './parse-config.ts';
import { rewriteConfig } from './rewrite-config.ts';

function loaded(text: string, ...overrides: [string, string][]): Config {
  const settings = parseConfig({ text, overrides });
  assert.deepEqual(settings.errors, []);
  return new Config(settings);
}

const file = `# the port
port 7000   # ours
timeout 0

bogus thing
maxclients 100 # few
requirepass "a # b"
rename-command KEYS ""
namespace.one t1
namespace.two t2
slaveof h 1
`;

test('a file that says what holds stays byte for byte', () => {
  assert.equal(rewriteConfig(file, loaded(file)), file);
  const noLineEnd = file.slice(0, -1);
  assert.equal(rewriteConfig(noLineEnd, loaded(noLineEnd)), noLineEnd);
  const odd = 'PORT   07000\r\nbind  127.0.0.1   ::1\r\n';
  assert.equal(rewriteConfig(odd, loaded(odd)), odd);
  assert.equal(rewriteConfig('', new Config()), '');
});

test('changed values are replaced in place, new ones appended, gone ones removed; comments and order stay', () => {
  const config = loaded(file, ['dir', '/data/my files']);
  assert.equal(config.set([['maxclients', '200']]), undefined);
  assert.equal(config.set([['requirepass', 'plain']]), undefined);
  assert.equal(config.set([['log-level', 'debug']]), undefined);
  config.put('slaveof', undefined);
  config.setNamespace('one', undefined);
  config.setNamespace('two', 'new #2');
  config.setNamespace('three', 't3');
  assert.equal(
    rewriteConfig(file, config),
    `# the port
port 7000   # ours
timeout 0

bogus thing
maxclients 200 # few
requirepass plain
rename-command KEYS ""
namespace.two "new #2"
slaveof no one
dir /data/my files
log-level debug
namespace.three t3
`,
  );
});

test('what was rewritten loads as what held', () => {
  const config = loaded(file, ['masterauth', ' "odd"\t# '], ['slaveof', 'other 2'], ['rename-command', 'config cfg']);
  config.setNamespace('four', "it's");
  const again = loaded(rewriteConfig(file, config));
  for (const { name, value } of config.show(['*']).filter(({ name }) => name !== 'rename-command'))
    assert.deepEqual(again.show([name])[0]?.value, value, name);
  assert.deepEqual([...again.namespaces], [...config.namespaces]);
});

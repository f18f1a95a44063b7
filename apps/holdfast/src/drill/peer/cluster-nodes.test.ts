import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseClusterNodes } from './cluster-nodes.ts';

const id = 'a'.repeat(40);
const other = 'b'.repeat(40);

function parseOne(line: string): ReturnType<typeof parseClusterNodes>[number] {
  const [node, ...rest] = parseClusterNodes(`${line}\n`);
  assert.ok(node !== undefined && rest.length === 0);
  return node;
}

describe('CLUSTER NODES', () => {
  test('a master with ranges, a single slot, and a slot on its way, which stays its own', () => {
    assert.deepEqual(
      parseOne(`${id} 127.0.0.1:7001@17001 myself,master - 0 1426238316232 2 connected 0-5 9 100-200 [9->-${other}]`),
      {
        id,
        address: '127.0.0.1:7001',
        isMyself: true,
        role: 'master',
        masterId: null,
        health: 'well',
        isStranger: false,
        configEpoch: 2,
        slotRanges: [
          [0, 5],
          [9, 9],
          [100, 200],
        ],
      },
    );
  });

  test('a replica with a host name after its port, that another node suspects', () => {
    const node = parseOne(`${id} 10.0.0.4:6379@16379,cache-4 slave,fail? ${other} 1795 1794 7 disconnected`);
    assert.deepEqual(
      [node.address, node.role, node.masterId, node.health, node.configEpoch, node.slotRanges],
      ['10.0.0.4:6379', 'slave', other, 'suspected', 7, []],
    );
  });

  for (const [flags, health, isStranger] of [
    ['master,fail', 'failed', false],
    ['master,fail?', 'suspected', false],
    ['master,nofailover', 'well', false],
    ['handshake', 'well', true],
    ['master,noaddr', 'well', true],
    ['noflags', 'well', false],
  ] as const) {
    test(`flags ${flags}: ${health}${isStranger ? ', a stranger' : ''}`, () => {
      const node = parseOne(`${id} 127.0.0.1:7001@17001 ${flags} - 0 0 0 connected`);
      assert.deepEqual([node.health, node.isStranger], [health, isStranger]);
    });
  }

  test('a node that knows no address of itself yet has none', () => {
    assert.equal(parseOne(`${id} :7001@17001 myself,master - 0 0 0 connected`).address, '');
  });

  for (const line of [
    'OK',
    `${id} 127.0.0.1:7001@17001 master - 0 0 epoch connected`,
    `${id} 127.0.0.1:7001@17001 master - 0 0 1`,
  ])
    test(`refuses ${JSON.stringify(line.slice(-30))}`, () => {
      assert.throws(() => parseClusterNodes(line), /no line of CLUSTER NODES/);
    });

  test('refuses slots that are none', () => {
    assert.throws(() => parseClusterNodes(`${id} 127.0.0.1:7001@17001 master - 0 0 1 connected 1-x`), /no slots/);
  });
});

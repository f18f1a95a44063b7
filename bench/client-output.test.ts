import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readClientOutput } from './client-output.ts';

const output = `SET: rps=0.0 (overall: -nan) avg_msec=-nan (overall: -nan)\rSET: rps=571428.6 (overall: 571428.6)\r                \r====== set key:__rand_int__ xxx ======
  20000 requests completed in 0.04 seconds
  50 parallel clients
  3 bytes payload
  keep alive: 1
  multi-thread: no

Latency by percentile distribution:
0.000% <= 0.367 milliseconds (cumulative count 16)
50.000% <= 1.175 milliseconds (cumulative count 10272)
98.438% <= 3.471 milliseconds (cumulative count 19696)
99.219% <= 4.599 milliseconds (cumulative count 19856)
99.805% <= 4.711 milliseconds (cumulative count 19968)
99.902% <= 4.727 milliseconds (cumulative count 19984)
99.951% <= 4.743 milliseconds (cumulative count 20000)
100.000% <= 4.743 milliseconds (cumulative count 20000)

Cumulative distribution of latencies:
0.000% <= 0.103 milliseconds (cumulative count 0)
100.000% <= 5.103 milliseconds (cumulative count 20000)

Summary:
  throughput summary: 571428.56 requests per second
  latency summary (msec):
          avg       min       p50       p95       p99       max
        1.259     0.360     1.175     2.231     4.551     4.743
`;

test('throughput and percentiles are read from the long form', () => {
  assert.deepEqual(readClientOutput(output), {
    requests: 20_000,
    perSecond: 571_428.56,
    p50Ms: 1.175,
    p99Ms: 4.551,
    p999Ms: 4.727,
    maxMs: 4.743,
  });
});

test('a table that jumps over a percentile gives the next one it has', () => {
  const few = output
    .replace(/^99\.902.*\n/m, '')
    .replace(/^50\.000.*\n/m, '75.000% <= 1.3 milliseconds (cumulative)\n');
  const figures = readClientOutput(few);
  assert.equal(figures.p999Ms, 4.743);
  assert.equal(figures.p50Ms, 1.3);
});

test('output that ends early, and an error of the server, are errors that quote it', () => {
  assert.throws(() => readClientOutput(''), /no output/);
  assert.throws(() => readClientOutput('Could not connect to Redis at 127.0.0.1:1'), /Could not connect/);
  assert.throws(() => readClientOutput(`Error from server: ERR unknown command 'XADD'\n`), /unknown command 'XADD'/);
});

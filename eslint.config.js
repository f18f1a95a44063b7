// What the compiler cannot see: effects outside the rim, unbounded functions, forgotten promises.
import tseslint from 'typescript-eslint';

const clock = 'take time and timers from the injected Clock';
const random = 'take randomness from the injected Random';
const io = 'I/O belongs to the rim (docs/architecture.md)';
const rim = [
  'apps/**',
  'packages/base/src/real/**',
  'packages/rocksdb/src/**',
  'packages/metadata/src/{embedded,etcd}/**',
  'packages/balancer/src/{embedded,haproxy,nftables,aws-nlb}/**',
  'packages/node/src/net/**',
  'packages/controller/src/http/**',
  'packages/*/src/real.ts',
];

export default tseslint.config(
  { ignores: ['**/build/**', '.cache/**', '**/*.js', '**/*.mjs'] },
  {
    files: ['{packages,apps}/*/src/**/*.ts', 'tests/**/*.ts', 'tools/**/*.ts', 'bench/**/*.ts', 'drills/**/*.ts'],
    extends: [tseslint.configs.base],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            { from: 'package', package: 'node:test', name: ['test', 'it', 'describe', 'suite'] },
          ],
        },
      ],
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      'no-empty': 'error',
      eqeqeq: 'error',
      'prefer-const': 'error',
    },
  },
  {
    files: ['{packages,apps}/*/src/**/*.ts', 'bench/**/*.ts'],
    ignores: ['**/*.test.ts', '**/testing/**'],
    rules: {
      'max-lines': ['error', { max: 500 }],
      'max-lines-per-function': ['error', { max: 70, skipBlankLines: true, skipComments: true }],
      'max-params': ['error', 5],
      complexity: ['error', 15],
    },
  },
  {
    files: ['packages/*/src/**/*.ts'],
    ignores: ['**/*.test.ts', '**/testing/**', ...rim],
    rules: {
      'no-restricted-globals': [
        'error',
        ...['setTimeout', 'setInterval', 'setImmediate', 'performance'].map((name) => ({ name, message: clock })),
        { name: 'fetch', message: io },
        { name: 'crypto', message: random },
      ],
      'no-restricted-properties': [
        'error',
        { object: 'Date', property: 'now', message: clock },
        { object: 'process', property: 'hrtime', message: clock },
        { object: 'Math', property: 'random', message: random },
      ],
      'no-restricted-syntax': [
        'error',
        { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: clock },
      ],
      'no-restricted-imports': [
        'error',
        {
          paths: [
            ...['net', 'tls', 'dgram', 'http', 'https', 'fs', 'fs/promises', 'child_process', 'worker_threads'].map(
              (m) => ({ name: `node:${m}`, message: io }),
            ),
            ...['timers', 'timers/promises', 'perf_hooks'].map((m) => ({ name: `node:${m}`, message: clock })),
          ],
        },
      ],
    },
  },
);

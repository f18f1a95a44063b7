/**
 * The client programs of `drill clients`: what each needs, how it is started, and which ways to use it are drilled. The
 * programs are in drills/clients; their form is told there.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type ClientEvent = 'hang' | 'switchover' | 'swap';
export type ClientSettings = 'default' | 'recommended';

export const allEvents: readonly ClientEvent[] = ['hang', 'switchover', 'swap'];
export const allSettings: readonly ClientSettings[] = ['default', 'recommended'];

/** One command that makes a program ready. */
export interface Step {
  readonly command: readonly [string, ...string[]];
  readonly folder: string;
}

/** A program and what has to be fetched or built for it. */
export interface Program {
  readonly name: string;
  /** Tools that must be on the path. */
  readonly tools: readonly string[];
  /** Packages that must be installed with this repository. */
  readonly packages: readonly string[];
  /** Files that decide what is fetched and built; it is done again when one of them changes. */
  readonly pins: readonly string[];
  /** Files to be copied into the cache folder first. */
  readonly copies: readonly string[];
  steps(cache: string): readonly Step[];
  command(cache: string): readonly [string, ...string[]];
}

/** A program with another one beside it: a session over all families of commands (`tests/families.test.ts`). */
export interface FamilyProgram extends Program {
  /** The command of that session; its arguments are host, port and protocol. */
  families(cache: string): readonly [string, ...string[]];
}

/** One way to use a library. */
export interface DrilledClient {
  readonly name: string;
  readonly mode: 'cluster' | 'single';
  readonly program: Program;
  readonly settings: readonly ClientSettings[];
  /** Whether it can be told to read from replicas, which `swap` is about. */
  readonly canReadReplicas: boolean;
}

const programs = fileURLToPath(new URL('../../../../../drills/clients/', import.meta.url));
const node = [process.execPath, ...process.execArgv] as const;

function nodeProgram(name: string, file: string, packages: readonly string[]): Program {
  const command = (): readonly [string, ...string[]] => [...node, join(programs, file)];
  return { name, tools: [], packages, pins: [], copies: [], steps: () => [], command };
}

const own = nodeProgram('own', 'node/own.ts', []);
const ioredis = nodeProgram('ioredis', 'node/ioredis.ts', ['ioredis']);
const nodeRedis = nodeProgram('node-redis', 'node/node-redis.ts', ['redis']);

const glide: Program = {
  ...nodeProgram('valkey-glide', 'valkey-glide/program.ts', []),
  tools: ['npm'],
  pins: [join(programs, 'valkey-glide/package.json')],
  copies: [join(programs, 'valkey-glide/package.json')],
  steps: (cache) => [
    { command: ['npm', 'install', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'], folder: cache },
  ],
};

const redisPy: FamilyProgram = {
  name: 'redis-py',
  tools: ['python3'],
  packages: [],
  pins: [join(programs, 'redis-py/requirements.txt')],
  copies: [],
  steps: (cache) => [
    { command: ['python3', '-m', 'venv', join(cache, 'venv')], folder: cache },
    {
      command: [
        join(cache, 'venv/bin/pip'),
        ...['install', '--quiet', '--disable-pip-version-check'],
        ...['-r', join(programs, 'redis-py/requirements.txt')],
      ],
      folder: cache,
    },
  ],
  command: (cache) => [join(cache, 'venv/bin/python'), '-B', join(programs, 'redis-py/program.py')],
  families: (cache) => [join(cache, 'venv/bin/python'), '-B', join(programs, 'redis-py/families.py')],
};

const goRedis: FamilyProgram = {
  name: 'go-redis',
  tools: ['go'],
  packages: [],
  pins: ['go.mod', 'go.sum', 'main.go', 'families/main.go'].map((file) => join(programs, 'go-redis', file)),
  copies: [],
  steps: (cache) => [
    {
      command: ['go', 'build', '-mod=readonly', '-o', join(cache, 'program'), '.'],
      folder: join(programs, 'go-redis'),
    },
    {
      command: ['go', 'build', '-mod=readonly', '-o', join(cache, 'families'), './families'],
      folder: join(programs, 'go-redis'),
    },
  ],
  command: (cache) => [join(cache, 'program')],
  families: (cache) => [join(cache, 'families')],
};

const jedis: FamilyProgram = {
  name: 'jedis',
  tools: ['mvn', 'javac', 'java'],
  packages: [],
  pins: ['pom.xml', 'Program.java', 'Families.java'].map((file) => join(programs, 'jedis', file)),
  copies: [],
  steps: (cache) => {
    const libraries = join(cache, 'lib');
    const copy = ['dependency:copy-dependencies', `-DoutputDirectory=${libraries}`];
    const sources = ['Program.java', 'Families.java'].map((file) => join(programs, 'jedis', file));
    const compile = ['-cp', join(libraries, '*'), '-d', join(cache, 'classes'), ...sources];
    return [
      { command: ['mvn', '-q', '-B', '-f', join(programs, 'jedis/pom.xml'), ...copy], folder: cache },
      { command: ['javac', ...compile], folder: cache },
    ];
  },
  command: (cache) => ['java', '-cp', `${join(cache, 'classes')}:${join(cache, 'lib', '*')}`, 'Program'],
  families: (cache) => ['java', '-cp', `${join(cache, 'classes')}:${join(cache, 'lib', '*')}`, 'Families'],
};

/** Sessions over all families in other languages than this one. */
export const familyPrograms: readonly FamilyProgram[] = [redisPy, goRedis, jedis];

/** In the order they are drilled. */
export const drilledClients: readonly DrilledClient[] = [
  { name: 'own', mode: 'cluster', program: own, settings: ['default'], canReadReplicas: true },
  { name: 'ioredis-cluster', mode: 'cluster', program: ioredis, settings: allSettings, canReadReplicas: true },
  { name: 'ioredis-single', mode: 'single', program: ioredis, settings: allSettings, canReadReplicas: true },
  { name: 'node-redis-cluster', mode: 'cluster', program: nodeRedis, settings: allSettings, canReadReplicas: true },
  { name: 'node-redis-single', mode: 'single', program: nodeRedis, settings: allSettings, canReadReplicas: true },
  { name: 'redis-py-cluster', mode: 'cluster', program: redisPy, settings: allSettings, canReadReplicas: true },
  { name: 'redis-py-single', mode: 'single', program: redisPy, settings: allSettings, canReadReplicas: false },
  { name: 'go-redis-cluster', mode: 'cluster', program: goRedis, settings: allSettings, canReadReplicas: true },
  { name: 'go-redis-single', mode: 'single', program: goRedis, settings: allSettings, canReadReplicas: false },
  { name: 'jedis-cluster', mode: 'cluster', program: jedis, settings: allSettings, canReadReplicas: true },
  { name: 'valkey-glide-cluster', mode: 'cluster', program: glide, settings: allSettings, canReadReplicas: true },
];

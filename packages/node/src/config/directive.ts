/**
 * What the declaration of a configuration directive says. The tables in directives/ are read by the file parser, the
 * command line, CONFIG GET/SET/REWRITE, the typed Config and the reference page; nothing else knows a directive.
 *
 * The tables are `as const`, so that `config.get('port')` is a number and `config.get('log-level')` one of its words.
 */

interface Common {
  /** `start`: only from the file or the command line. `run`: by CONFIG SET too. */
  readonly when: 'start' | 'run';
  /** `accepted`: parsed, checked and shown, but nothing here depends on it. */
  readonly effect: 'used' | 'accepted';
  /** What the value counts, for people. */
  readonly unit?: string;
  /** One sentence. */
  readonly doc: string;
  /** Another name for the same directive. */
  readonly alias?: string;
}

export interface IntDirective extends Common {
  readonly type: 'int';
  /** Smallest allowed value; 0 when absent. */
  readonly min?: number;
  /** Largest allowed value; 2^31 - 1 when absent. */
  readonly max?: number;
  /** Why `min` to `max` are all that is taken, where that says too little. */
  readonly because?: string;
  readonly default: number;
}

/** A whole number of bytes; k, m, g (1000) and kb, mb, gb (1024) may follow, as in redis.conf. */
export interface BytesDirective extends Common {
  readonly type: 'bytes';
  readonly min?: number;
  readonly max?: number;
  readonly default: number;
}

/** A file mode in octal digits. */
export interface OctalDirective extends Common {
  readonly type: 'octal';
  readonly default: number;
}

export interface YesNoDirective extends Common {
  readonly type: 'yes-no';
  readonly default: boolean;
}

export interface WordDirective extends Common {
  readonly type: 'word';
  /** Compared without regard to case. */
  readonly allowed: readonly string[];
  readonly default: string;
}

export interface TextDirective extends Common {
  readonly type: 'text';
  readonly default: string;
  /** The default is this path below `dir`; '' is `dir` itself. */
  readonly defaultBelowDir?: string;
  /** Must not be empty. */
  readonly required?: boolean;
  /** Never in messages and logs. */
  readonly secret?: boolean;
}

/** Words separated by blanks. */
export interface ListDirective extends Common {
  readonly type: 'list';
  readonly default: readonly string[];
}

/** `host port`; `no one` and nothing mean none. */
export interface EndpointDirective extends Common {
  readonly type: 'endpoint';
  readonly default: undefined;
}

/** Groups of five cron fields separated by blanks. */
export interface CronDirective extends Common {
  readonly type: 'cron';
  readonly default: string;
}

/** Two hours of the day, `0-7`; empty means never. */
export interface HoursDirective extends Common {
  readonly type: 'hours';
  readonly default: string;
}

/** Letters of `notify-keyspace-events`, kept as Redis shows them. */
export interface EventsDirective extends Common {
  readonly type: 'events';
  readonly default: string;
}

/** `client-output-buffer-limit`: limits of all classes of clients, in Redis' order. */
export interface OutputLimitsDirective extends Common {
  readonly type: 'output-limits';
  readonly default: string;
}

/** `OLD NEW`, may be repeated; an empty new name (`""`) removes the command. */
export interface RenamesDirective extends Common {
  readonly type: 'renames';
  readonly default: readonly CommandRename[];
}

export interface CommandRename {
  readonly from: string;
  /** '' removes the command. */
  readonly to: string;
}

export type Directive =
  | RenamesDirective
  | IntDirective
  | BytesDirective
  | OctalDirective
  | YesNoDirective
  | WordDirective
  | TextDirective
  | ListDirective
  | EndpointDirective
  | CronDirective
  | HoursDirective
  | OutputLimitsDirective
  | EventsDirective;

export type DirectiveTable = Readonly<Record<string, Directive>>;

/** Where a replica finds its master. */
export interface ConfiguredEndpoint {
  readonly host: string;
  readonly port: number;
}

/** What any directive's value may be. */
export type DirectiveValue =
  number | boolean | string | readonly string[] | readonly CommandRename[] | ConfiguredEndpoint | undefined;

/** The type of one directive's value. */
export type ValueOf<D> = D extends { type: 'word'; allowed: readonly (infer Word)[] }
  ? Word
  : D extends { type: 'int' | 'bytes' | 'octal' }
    ? number
    : D extends { type: 'yes-no' }
      ? boolean
      : D extends { type: 'list' }
        ? readonly string[]
        : D extends { type: 'endpoint' }
          ? ConfiguredEndpoint | undefined
          : D extends { type: 'renames' }
            ? readonly CommandRename[]
            : string;

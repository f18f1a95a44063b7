/**
 * Namespaces and their tokens: lines of the configuration file, or with `repl-namespace-enabled yes` one record of the
 * database (Kvrocks server/namespace.cc), which replicas get like any other.
 *
 * Once there is such a record it alone counts. The lines of the file hold until the first change, which takes them over into
 * the record; they go from the file when that is committed. So nothing has to be written at start or by CONFIG SET.
 */
import { FatalError } from '@holdfast/base';
import type { NamespacePort } from '@holdfast/commands';
import type { Config } from './config/index.ts';

export interface NamespacesEnvironment {
  readonly config: Config;
  readonly hasFile: boolean;
  isReplica(): boolean;
  /** Value of the record; undefined without one. */
  read(): Buffer | undefined;
  /** Puts the record into the open tick. */
  write(value: Buffer): void;
  /** The database can be read, and nothing that was written is uncommitted. */
  isSettled(): boolean;
  mayRead(): boolean;
  /** Writes what holds now into the configuration file. Answers an error line, or undefined, before it returns. */
  rewriteFile(answer: (refusal: string | undefined) => void): void;
}

/** Key of the record; its value is a JSON object of names by token. */
export const namespacesKey: Buffer = Buffer.from('__namespace_keys__');

const switchedOff = 'cannot switch off repl_namespace_enabled when namespaces exist in db';

export class Namespaces implements NamespacePort {
  readonly #env: NamespacesEnvironment;
  #stored: Buffer | undefined;
  #fromDatabase: ReadonlyMap<string, string> | undefined;

  constructor(env: NamespacesEnvironment) {
    this.#env = env;
    const { config } = env;
    config.onChange('repl-namespace-enabled', (enabled) =>
      !enabled && this.#existInDatabase() ? switchedOff : undefined,
    );
    config.onChange('requirepass', (password) =>
      password === '' && this.tokens().size > 0
        ? "requirepass empty wasn't allowed while the namespace exists"
        : undefined,
    );
  }

  /** @throws FatalError when the database has namespaces that the configuration ignores. */
  checkAtStart(): void {
    if (!this.inDatabase() && this.#existInDatabase()) throw new FatalError(switchedOff, 1);
  }

  get isCluster(): boolean {
    return this.#env.config.get('cluster-enabled');
  }

  password(): string {
    return this.#env.config.get('requirepass');
  }

  masterPassword(): string {
    return this.#env.config.get('masterauth');
  }

  inDatabase(): boolean {
    return this.#env.config.get('repl-namespace-enabled');
  }

  isReplica(): boolean {
    return this.#env.isReplica();
  }

  canKeep(): boolean {
    return this.inDatabase() || this.#env.hasFile;
  }

  tokens(): ReadonlyMap<string, string> {
    const { config } = this.#env;
    const stored = this.inDatabase() ? this.#read() : undefined;
    if (stored === undefined) return config.namespaces;
    if (config.namespaces.size > 0 && this.#env.isSettled()) this.#forgetLines();
    return stored;
  }

  change(name: string, token: string | undefined): string | undefined {
    if (!this.inDatabase()) return this.#changeLine(name, token);
    const tokens = new Map(this.tokens());
    if (token === undefined) tokens.delete(name);
    else tokens.set(name, token);
    this.#env.write(Buffer.from(JSON.stringify(Object.fromEntries([...tokens].map(([of, one]) => [one, of])))));
    return undefined;
  }

  #changeLine(name: string, token: string | undefined): string | undefined {
    const { config } = this.#env;
    const before = config.namespaces.get(name);
    config.setNamespace(name, token);
    let refusal: string | undefined;
    this.#env.rewriteFile((error) => (refusal = error));
    if (refusal !== undefined) config.setNamespace(name, before);
    return refusal;
  }

  /** The record has taken them over. */
  #forgetLines(): void {
    const { config } = this.#env;
    for (const name of [...config.namespaces.keys()]) config.setNamespace(name, undefined);
    // When it cannot be written the lines stay, and are ignored as long as there is a record.
    if (this.#env.hasFile) this.#env.rewriteFile(() => undefined);
  }

  #existInDatabase(): boolean {
    return (this.#read()?.size ?? 0) > 0;
  }

  /** Tokens of the record; while the database is being exchanged, as they were. Undefined without a record. */
  #read(): ReadonlyMap<string, string> | undefined {
    if (!this.#env.mayRead()) return this.#fromDatabase;
    const stored = this.#env.read();
    if (stored === undefined) this.#fromDatabase = undefined;
    else if (this.#stored === undefined || !stored.equals(this.#stored)) this.#fromDatabase = tokensOf(stored);
    this.#stored = stored;
    return this.#fromDatabase;
  }
}

/** Tokens by name. What is no JSON object of texts, which only a damaged database has, gives nobody access. */
function tokensOf(stored: Buffer): ReadonlyMap<string, string> {
  const tokens = new Map<string, string>();
  let value: unknown;
  try {
    value = JSON.parse(stored.toString('utf8'));
  } catch {
    return tokens;
  }
  if (typeof value !== 'object' || value === null) return tokens;
  for (const [token, name] of Object.entries(value)) if (typeof name === 'string') tokens.set(name, token);
  return tokens;
}

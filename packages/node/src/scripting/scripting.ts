/**
 * Scripts and functions of a node: what the scripting commands ask for. Scripts are known by the SHA-1 of their text, here in
 * memory and in the database, where replicas and the next process find them.
 */
import { hash } from 'node:crypto';
import {
  parseScriptHead,
  plainFlags,
  type Call,
  type FunctionStats,
  type LibraryFacts,
  type ScriptCall,
  type ScriptFlags,
  type ScriptingPort,
} from '@holdfast/commands';
import type { Logger } from '@holdfast/base';
import type { Engine } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Freshness } from './freshness.ts';
import { Libraries } from './libraries.ts';
import { dumpLibraries, readDump } from './library-dump.ts';
import { PropagateRecords } from './propagate-records.ts';
import { ScriptRunner, type ScriptRunnerEnvironment } from './script-runner.ts';

export interface ScriptingEnvironment extends Omit<ScriptRunnerEnvironment, 'putInTick'> {
  readonly engine: Engine;
  readonly logger: Logger;
  readonly isCluster: boolean;
  /** The slot of a script's declared keys; undefined without. They are one slot's: routing has seen to it. */
  slotOfKeys(request: Request): number | undefined;
}

interface Script {
  readonly sha: string;
  readonly body: Buffer;
  readonly from: number;
  readonly flags: ScriptFlags;
  /** Known by the database alone: gone when it is gone there. */
  readonly isStored: boolean;
  /** Of the world it is compiled in. */
  generation: number;
  /** Whether the database was asked since it may have changed. */
  checked: number;
}

/** Scripts in memory. Whoever writes its values into the text of its scripts has a new one each time. */
const scriptsKeptMax = 10_000;
/** So many were compiled before it is worth while to compile anew those that are still asked for. */
const compiledManyMin = 1000;

const noScriptError = 'NOSCRIPT No matching script. Please use EVAL.';

export class Scripting implements ScriptingPort {
  readonly runner: ScriptRunner;
  readonly #env: ScriptingEnvironment;
  readonly #records: PropagateRecords;
  readonly #libraries: Libraries;
  readonly #freshness: Freshness;
  /** The oldest first. */
  readonly #scripts = new Map<string, Script>();
  /** Compiled since everything was forgotten. */
  #compiled = 0;
  /** Changes when the database may have changed under us. */
  #checks = 0;

  constructor(env: ScriptingEnvironment) {
    const { engine, logger } = env;
    this.#env = env;
    this.#records = new PropagateRecords(engine);
    this.#freshness = new Freshness(engine);
    this.runner = new ScriptRunner({ ...env, putInTick: () => engine.putInTick });
    const { runner } = this;
    this.#libraries = new Libraries({ runner, records: this.#records, freshness: this.#freshness, logger });
  }

  /** Scripts known in memory. */
  get cachedScripts(): number {
    return this.#scripts.size;
  }

  /** Of those that were loaded into memory. */
  get libraryCounts(): { readonly libraries: number; readonly functions: number } {
    return this.#libraries.counts;
  }

  /** A master's batches were applied, the database was exchanged, or a tick was dropped. */
  databaseChanged(): void {
    this.#freshness.doubt();
    this.#checks++;
  }

  scriptFlags(sha: string): ScriptFlags | undefined {
    return this.#scripts.get(sha)?.flags;
  }

  functionFlags(name: string): ScriptFlags | undefined {
    // Nothing is loaded under a running script: it would be asked for Lua's world.
    if (this.runner.running !== undefined || !this.#env.engine.isOpen) return undefined;
    return this.#libraries.find(name)?.flags;
  }

  evaluate(call: Call, script: ScriptCall, reply: ReplyWriter): void {
    const body = script.request.bytes(1);
    const sha = hash('sha1', body);
    const known = this.#scripts.get(sha) ?? this.#make(sha, Buffer.from(body), !script.readOnly);
    if (typeof known === 'string') reply.error(known);
    else this.#run(call, known, script, reply);
  }

  evaluateKnown(call: Call, script: ScriptCall, reply: ReplyWriter): void {
    const known = this.#find(script.request.latin1(1).toLowerCase());
    if (known === undefined) reply.error(noScriptError);
    else this.#run(call, known, script, reply);
  }

  /** Compiles a new script. @returns the error line. */
  #make(sha: string, body: Buffer, isKept: boolean, isStored = false): Script | string {
    const head = parseScriptHead(body);
    if (typeof head === 'string') return head;
    const error = this.#compile(sha, body, head.from);
    if (error !== undefined) return error;
    const { generation } = this.runner;
    if (this.#scripts.size >= scriptsKeptMax) this.#forgetOldest();
    const script = { sha, body, ...head, isStored, generation, checked: this.#checks };
    this.#scripts.set(sha, script);
    if (isKept && this.#records.script(sha) === undefined) this.#records.putScript(sha, body);
    return script;
  }

  /**
   * Compiles a script; those that nobody asks for any more must not leave it, or what it needs when it runs, without memory.
   * Then everything is forgotten: what is still asked for is compiled again, from memory or from the database.
   * @returns the error line.
   */
  #compile(sha: string, body: Buffer, from: number): string | undefined {
    const { runner } = this;
    const isHalfFull = runner.memoryBytes > this.#env.memoryBytesMax() / 2;
    if (isHalfFull && this.#compiled >= compiledManyMin) this.#renew();
    const error = runner.compile(sha, body, from);
    this.#compiled++;
    if (error === undefined || !isHalfFull || !error.endsWith('not enough memory')) return error;
    this.#renew();
    return runner.compile(sha, body, from);
  }

  #renew(): void {
    this.#compiled = 0;
    this.runner.renew();
  }

  #forgetOldest(): void {
    for (const sha of this.#scripts.keys()) {
      this.#forget(sha);
      return;
    }
  }

  #find(sha: string): Script | undefined {
    const known = this.#scripts.get(sha);
    if (known !== undefined && (!known.isStored || known.checked === this.#checks)) return known;
    if (sha.length !== 40) return undefined;
    const body = this.#records.script(sha);
    if (body === undefined) {
      this.#forget(sha);
      return undefined;
    }
    if (known !== undefined) {
      known.checked = this.#checks;
      return known;
    }
    const made = this.#make(sha, body, false, true);
    return typeof made === 'string' ? undefined : made;
  }

  #forget(sha: string): void {
    if (this.#scripts.delete(sha)) this.runner.forget(sha);
  }

  #run(call: Call, script: Script, { request, keys, readOnly }: ScriptCall, reply: ReplyWriter): void {
    const { runner } = this;
    const { sha, flags } = script;
    if (this.#refusesCluster(flags, reply)) return;
    if (script.generation !== runner.generation) {
      const error = this.#compile(sha, script.body, script.from);
      if (error !== undefined) {
        reply.error(error);
        return;
      }
      script.generation = runner.generation;
    }
    const scope = this.#scope(flags, request, readOnly);
    runner.run(call, { id: sha, name: sha, isFunction: false, scope }, { request, keys }, reply);
  }

  #refusesCluster({ noCluster }: ScriptFlags, reply: ReplyWriter): boolean {
    if (!noCluster || !this.#env.isCluster) return false;
    reply.error("ERR Error running script: Can not run script on cluster, 'no-cluster' flag is set.");
    return true;
  }

  #scope(flags: ScriptFlags, request: Request, readOnly: boolean) {
    const slot = this.#env.isCluster ? this.#env.slotOfKeys(request) : undefined;
    return {
      readOnly: readOnly || flags.noWrites,
      slot,
      // A script from before there were flags, which declares nothing: as Kvrocks' suite asserts.
      crossSlot: flags.crossSlot || (flags === plainFlags && slot === undefined),
    };
  }

  callFunction(call: Call, { request, keys, readOnly }: ScriptCall, reply: ReplyWriter): void {
    const wanted = request.latin1(1);
    const found = this.#libraries.find(wanted);
    if (found === undefined) {
      reply.error(`ERR Function not found: No such function name ${wanted.slice(0, 128)}`);
      return;
    }
    const { id, name, flags } = found;
    if (this.#refusesCluster(flags, reply)) return;
    const scope = this.#scope(flags, request, readOnly);
    this.runner.run(call, { id, name, isFunction: true, scope }, { request, keys }, reply);
  }

  load(body: Buffer): { readonly sha: string } | string {
    const sha = hash('sha1', body);
    const known = this.#scripts.get(sha);
    if (known === undefined) {
      const made = this.#make(sha, body, true);
      return typeof made === 'string' ? made : { sha };
    }
    if (this.#records.script(sha) === undefined) this.#records.putScript(sha, body);
    return { sha };
  }

  exists(sha: string): boolean {
    return this.#find(sha) !== undefined;
  }

  flush(): void {
    for (const sha of [...this.#scripts.keys()]) this.#forget(sha);
    this.#records.deleteScripts();
  }

  kill(what: 'script' | 'function'): string | undefined {
    return this.runner.kill(what);
  }

  loadLibrary(code: Buffer, replace: boolean): { readonly name: string } | string {
    return this.#libraries.load(code, replace);
  }

  deleteLibrary(name: string): boolean {
    return this.#libraries.delete(name);
  }

  flushLibraries(): void {
    this.#libraries.flush();
  }

  libraries(): readonly LibraryFacts[] {
    return this.#libraries.all();
  }

  stats(): FunctionStats {
    const { running } = this.runner;
    // Beside a running function nothing is loaded.
    if (running === undefined) this.#libraries.all();
    return { running, ...this.#libraries.counts };
  }

  dump(): Buffer {
    return dumpLibraries(this.#libraries.all().map(({ code }) => code));
  }

  restore(payload: Buffer, policy: 'append' | 'flush' | 'replace'): string | undefined {
    const codes = readDump(payload);
    return typeof codes === 'string' ? codes : this.#libraries.restore(codes, policy);
  }
}

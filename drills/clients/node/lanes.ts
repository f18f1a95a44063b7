/**
 * The part that all client programs in Node share: lanes that use one client object as the requests of an application do,
 * and the lines of the protocol (../README.md). One lane is one request after another; each awaits its answer.
 */
import { createInterface } from 'node:readline';

export interface LaneConfig {
  readonly name: string;
  /** Hash tag of the keys this lane writes. */
  readonly tag: string;
  /** The one key this lane writes again and again; nobody else writes it. */
  readonly register: string;
  /** Registers of other lanes, read in turns. */
  readonly reads: readonly string[];
}

export interface ProgramConfig {
  readonly mode: 'cluster' | 'single';
  readonly settings: 'default' | 'recommended';
  /** Where reads go. */
  readonly reads: 'master' | 'replicas';
  /** `host:port` of the masters' LB addresses; in mode `single` one. */
  readonly masters: readonly string[];
  /** `host:port` where replicas are read in mode `single`; null when none are. */
  readonly replica: string | null;
  readonly paceMs: number;
  readonly lanes: readonly LaneConfig[];
  /** Folder with the fetched dependencies of the program; null when it has none. */
  readonly cache: string | null;
}

/** One client object of a library. */
export interface Library {
  /** Rejects as the library does; resolves only for an acknowledged write. */
  set(key: string, value: string): Promise<void>;
  get(key: string): Promise<string | null>;
}

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export function endpointOf(address: string): Endpoint {
  const at = address.lastIndexOf(':');
  return { host: address.slice(0, at).replace(/^\[(.*)\]$/, '$1'), port: Number(address.slice(at + 1)) };
}

/** CLOCK_MONOTONIC, which all processes of the machine share. */
function nowNs(): number {
  return Number(process.hrtime.bigint());
}

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** For errors that the library tells of beside its answers, as an `error` event. */
export function tellError(error: unknown): void {
  print({ event: textOf(error), atNs: nowNs() });
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const causes = error instanceof AggregateError ? error.errors.map((each) => textOf(each)).join('; ') : '';
  const message = [error.message, causes].filter((text) => text !== '').join(': ');
  return `${error.name}: ${message === '' ? ((error as NodeJS.ErrnoException).code ?? '') : message}`;
}

const finishWithinMs = 1000;

/**
 * Plays the lanes of the configuration in the last argument until standard input ends, then ends this process.
 * @param open makes the client object and connects it.
 */
export async function play(
  about: { readonly library: string; readonly version: string },
  open: (config: ProgramConfig) => Promise<Library>,
): Promise<void> {
  const config = JSON.parse(process.argv.at(-1) ?? '') as ProgramConfig;
  let over = false;
  const ended = new Promise<void>((resolve) => {
    const input = createInterface(process.stdin);
    input.on('close', () => {
      over = true;
      resolve();
    });
  });
  const library = await open(config);
  print({ hello: about, atNs: nowNs() });
  let next = 0;
  const operate = async (lane: string, op: 'read' | 'write', key: string, value?: string): Promise<boolean> => {
    const id = next++;
    print({ begin: id, lane, op, key, value, atNs: nowNs() });
    try {
      if (value === undefined) print({ end: id, value: await library.get(key), atNs: nowNs() });
      else print(await library.set(key, value).then(() => ({ end: id, atNs: nowNs() })));
      return true;
    } catch (error) {
      print({ end: id, error: textOf(error), atNs: nowNs() });
      return false;
    }
  };
  const runLane = async ({ name, tag, register, reads }: LaneConfig): Promise<void> => {
    let fresh: string | undefined;
    for (let n = 0; !over; n++) {
      await operate(name, 'write', register, `${name}-${n}-r`);
      const other = reads[n % reads.length];
      if (other !== undefined) await operate(name, 'read', other);
      const key = `${tag}${name}-${n}`;
      const isWritten = await operate(name, 'write', key, `${name}-${n}-f`);
      if (fresh !== undefined) await operate(name, 'read', fresh);
      if (isWritten) fresh = key;
      await new Promise((resolve) => setTimeout(resolve, config.paceMs / 2 + Math.random() * config.paceMs));
    }
  };
  const lanes = Promise.all(config.lanes.map(runLane));
  await ended;
  await Promise.race([lanes, new Promise((resolve) => setTimeout(resolve, finishWithinMs))]);
  // What is still open has no end and will get none; the harness knows it by its begin line.
  await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
  process.exit(0);
}

/** The flags of `kvrocks`, which `holdfast server` and `bin/holdfast-server` take too. Pure: reading is the app's. */

export type CommandLine =
  | {
      readonly kind: 'run';
      /** `-` is standard input. */
      readonly configFile: string | undefined;
      /** `--directive value` pairs in order. */
      readonly overrides: readonly (readonly [string, string])[];
    }
  | { readonly kind: 'version' }
  | { readonly kind: 'help' }
  /** Print this and the usage, and end with status 1. */
  | { readonly kind: 'usage'; readonly problem: string };

/** @param args without the program's name. */
export function parseCommandLine(args: readonly string[]): CommandLine {
  let configFile: string | undefined;
  const overrides: [string, string][] = [];
  for (let at = 0; at < args.length; at += 2) {
    const flag = args[at] ?? '';
    const value = args[at + 1];
    if (flag === '-v' || flag === '--version') return { kind: 'version' };
    if (flag === '-h' || flag === '--help') return { kind: 'help' };
    const isFile = flag === '-c' || flag === '--config';
    if (!isFile && !/^--[a-z]/i.test(flag)) return { kind: 'usage', problem: `unexpected argument '${flag}'` };
    if (value === undefined) return { kind: 'usage', problem: `${flag} needs a value` };
    if (isFile) configFile = value;
    else overrides.push([flag.slice(2), value]);
  }
  return { kind: 'run', configFile, overrides };
}

/** What `-h` prints, for a program of the given name. */
export function usageText(program: string): string {
  return [
    `usage: ${program} [-c FILE | -c -] [--DIRECTIVE VALUE ...]`,
    '',
    '  -c, --config FILE     read kvrocks.conf from FILE, or from standard input when it is -',
    '  --DIRECTIVE VALUE     set one directive; wins over the file (docs/reference/configuration.md lists them)',
    '  -v, --version         print the version',
    '  -h, --help            print this',
    '',
  ].join('\n');
}

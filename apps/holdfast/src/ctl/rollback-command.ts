/** The flags of `ctl rollback`. What it does is loaded only when it is asked for: it needs the engine, `ctl` does not. */
import type { Command } from 'commander';
import type { CtlContext } from './context.ts';

type Action = (context: CtlContext) => Promise<void>;

interface Flags {
  readonly dir: string;
  readonly rest?: string;
}

/**
 * @param sub begins a subcommand of `ctl`.
 * @param act takes what is to be done.
 */
export function addRollback(sub: (name: string, description: string) => Command, act: (action: Action) => void): void {
  const rollback = sub('rollback', 'what a node gave up of its history; reads its directory, asks no controller');
  const verb = (words: string, description: string): Command =>
    rollback
      .command(words)
      .description(description)
      .requiredOption('--dir <path>', "the node's directory, or a copy of it")
      .exitOverride();
  verb('list', 'every file: epoch, sequences, size, whether clients were told that it is safe').action((flags: Flags) =>
    act(async (context) => (await import('./rollback.ts')).listFiles(context, flags.dir)),
  );
  verb('show <name>', 'every operation in a file').action((name: string, flags: Flags) =>
    act(async (context) => (await import('./rollback.ts')).showFile(context, flags.dir, name)),
  );
  verb('export <name>', 'the operations as commands for redis-cli --pipe; with --output json all, one object per line')
    .option(
      '--rest <file>',
      'where to write, as JSON lines, what no command can say; without it such a file is refused',
    )
    .action((name: string, flags: Flags) =>
      act(async (context) => (await import('./rollback.ts')).exportFile(context, flags.dir, name, flags.rest)),
    );
}

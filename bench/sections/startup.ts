/** How long a server takes to its first PONG, on an empty directory, and what memory it then has, idle. */
import { setTimeout as pause } from 'node:timers/promises';
import { idleMemory } from '../goals.ts';
import { eachKind, type Section } from '../section.ts';

/** After it, start-up work is over and the figure is that of an idle server. */
const settleMs = 2000;

export const startup: Section = async (context, findings) => {
  const { stage, options, progress } = context;
  const starts = options.quick ? 2 : 5;
  await eachKind(context, findings, async (kind) => {
    for (let start = 1; start <= starts; start++) {
      progress.say(`startup: ${kind.name} ${start}/${starts}`);
      const server = await stage.start(kind);
      findings.add('to first PONG', kind.name, 'ms', server.startedInMs);
      if (start === 1) {
        await pause(settleMs);
        findings.add(idleMemory, kind.name, 'MB', server.usage().residentBytes / 1e6);
      }
      await server.end();
    }
  });
};

/**
 * How long nobody can write when a master hangs: `holdfast drill hang`, a cluster of its own under load, judged by what its
 * clients saw. Root has it in network namespaces, everybody else on loopback.
 */
import { messageOf } from '@holdfast/base';
import type { Section } from '../section.ts';
import { holdfast } from '../servers.ts';

interface DrillReport {
  readonly violations: readonly unknown[];
  readonly acknowledgedWritesLost: number;
  readonly msWithoutWrites: number;
  readonly timeline: readonly { readonly event: string; readonly sinceStopMs: number }[];
}

/** Exit statuses with a report: nothing violated, something violated. */
const judged = [0, 1];

export const failover: Section = async ({ stage, options, progress }, findings) => {
  const network = process.geteuid?.() === 0 ? 'namespaces' : 'loopback';
  const of = `drill hang, ${network}`;
  for (let round = 1; round <= options.rounds; round++) {
    progress.say(`failover: drill hang ${round}/${options.rounds}`);
    let output = '';
    const args = [
      'drill',
      'hang',
      '--network',
      network,
      '--output',
      'json',
      ...(options.quick ? ['--seconds', '8'] : []),
    ];
    const drill = stage.run({ command: holdfast, args, endsGently: true }, (text) => (output += text));
    const status = await drill.exited;
    if (!judged.includes(status as number)) {
      findings.skip(
        'drill hang',
        `it could not run (status ${status}): ${drill.words().trim().split('\n').at(-1) ?? ''}`,
      );
      return;
    }
    let report: DrillReport;
    try {
      report = JSON.parse(output) as DrillReport;
    } catch (error) {
      throw new Error(`drill hang wrote no report: ${messageOf(error)}`);
    }
    findings.add('without writes after SIGSTOP of the master', of, 'ms', report.msWithoutWrites);
    for (const event of ['suspected', 'lease ended', 'promoted', 'lb moved', 'first write']) {
      const at = report.timeline.find((one) => one.event === event)?.sinceStopMs;
      if (at !== undefined) findings.add(`${event}, after SIGSTOP`, of, 'ms', at);
    }
    findings.add('violations', of, '', report.violations.length);
    findings.add('acknowledged writes lost', of, '', report.acknowledgedWritesLost);
  }
};

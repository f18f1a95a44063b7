/**
 * The thread that commits beside a node's main loop: it may write before, while or after the loop does something else, be
 * killed before it wrote, or have written what the loop never hears of.
 */
import type { Lane } from './machine.ts';
import type { CommitWorker } from './node-disk.ts';
import type { World } from './world.ts';

/** Usually within a few milliseconds; now and then the disk takes its time. */
export function commitWorker(world: World, writer: Lane, main: Lane): CommitWorker {
  const dice = world.writerDice;
  return (write, told) => {
    const writeMs = dice.chance(0.02) ? dice.between(20, 1500) : dice.between(0.02, 4);
    const tellMs = dice.chance(0.05) ? dice.between(1, 30) : 0.05;
    world.after(writeMs, () =>
      writer.deliver(() => {
        write();
        world.after(tellMs, () => main.deliver(told));
      }),
    );
  };
}

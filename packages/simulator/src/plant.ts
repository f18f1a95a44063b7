/**
 * Plants a fault in the shipped source while it is being loaded: a hook replaces an exact text, which must stand exactly
 * once in its file. So it is the code that ships which runs here, with one line changed, and a fault whose line was
 * rewritten says so instead of finding nothing. Must be called before anything of the simulated code is imported.
 */
import { registerHooks } from 'node:module';
import type { Fault } from './faults.ts';

const packages = new URL('../../', import.meta.url).href;

/** @returns what was not loaded or no longer applies, after everything was imported; empty when the fault is in. */
export function plant(fault: Fault): () => string[] {
  const planted = new Set<number>();
  const errors: string[] = [];
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      fault.patches.forEach(({ file, find, replace }, index) => {
        if (url !== `${packages}${file}`) return;
        const parts = String(loaded.source instanceof Uint8Array ? Buffer.from(loaded.source) : loaded.source).split(
          find,
        );
        if (parts.length !== 2)
          errors.push(`fault ${fault.name} no longer applies: ${parts.length - 1} times in packages/${file}: ${find}`);
        else loaded.source = parts.join(replace);
        planted.add(index);
      });
      return loaded;
    },
  });
  return () => {
    const missing = fault.patches.filter((_, index) => !planted.has(index));
    return [
      ...errors,
      ...missing.map(({ file }) => `fault ${fault.name} no longer applies: packages/${file} was not loaded`),
    ];
  };
}

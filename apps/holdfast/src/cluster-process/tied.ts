/**
 * Runs a program that knows nothing of HOLDFAST_PARENT_PID so that it ends with its parent all the same: the kernel's
 * promise to do so is made here and outlives the exec. Usage: tied.ts <absolute path> [argument …]
 */
import { dieWithParent } from '@holdfast/base/real';

const [program, ...args] = process.argv.slice(2);
if (program === undefined || process.execve === undefined) throw new Error('usage: tied.ts <program> [argument …]');
dieWithParent(Number(process.env['HOLDFAST_PARENT_PID']));
// Settings of somebody else's etcd must not reach this one. Debian's etcd 3.4 wants to be asked twice on arm64.
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('ETCD_')));
process.execve(
  program,
  [program, ...args],
  process.arch === 'arm64' ? { ...env, ETCD_UNSUPPORTED_ARCH: 'arm64' } : env,
);

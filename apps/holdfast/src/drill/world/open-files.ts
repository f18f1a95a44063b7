/**
 * How many files the processes of a drill may have open: a balancer needs two for each client. Node raises what it may
 * have up to the limit by itself; only the limit can be too low, and only root can raise that, for the processes to come.
 */
import { readFileSync } from 'node:fs';
import { OperationError } from '@holdfast/base';
import { runCommand } from './system-command.ts';

/** 5,000 clients through a balancer, and room beside them. */
const wanted = 16_384;

/** The hard limit in the text of /proc/<pid>/limits; `unlimited` is Infinity. */
export function openFilesMost(limits: string): number {
  const most = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1] ?? 'unlimited';
  return most === 'unlimited' ? Infinity : Number(most);
}

/**
 * Raises the limit of this process and of those it starts, when it is lower than a drill with thousands of clients needs.
 * @returns what it is when it stays too low; undefined when it suffices.
 */
export function raiseOpenFiles(): number | undefined {
  const most = openFilesMost(readFileSync('/proc/self/limits', 'utf8'));
  if (most >= wanted) return undefined;
  try {
    runCommand('prlimit', ['--pid', String(process.pid), `--nofile=${wanted}:${wanted}`]);
    return undefined;
  } catch (error) {
    if (error instanceof OperationError) return most;
    throw error;
  }
}

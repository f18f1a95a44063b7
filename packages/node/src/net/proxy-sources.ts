/** `proxy-protocol-trusted`: addresses (`10.0.0.7`, `::1`) and networks (`10.0.0.0/8`) whose PROXY headers are believed. */
import { BlockList, isIP } from 'node:net';
import { FatalError } from '@holdfast/base';
import type { Config } from '../config/index.ts';
import type { ProxySources } from './arrivals.ts';

/**
 * @returns undefined when nobody's headers are.
 * @throws FatalError naming the word that is no address and no network, or when nobody is named.
 */
export function proxySources(config: Pick<Config, 'get'>): ProxySources | undefined {
  const mode = config.get('proxy-protocol');
  const words = config.get('proxy-protocol-trusted');
  if (mode === 'no') return undefined;
  if (words.length === 0)
    throw new FatalError('proxy-protocol needs proxy-protocol-trusted: the addresses of the balancers');
  const trusted = new BlockList();
  for (const word of words) add(trusted, word);
  return { mode, trusts: (host) => trusted.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4') };
}

function add(trusted: BlockList, word: string): void {
  const [address = '', bits, ...rest] = word.split('/');
  const family = isIP(address);
  const most = family === 6 ? 128 : 32;
  const isGood = family !== 0 && rest.length === 0 && (bits === undefined || /^[0-9]{1,3}$/.test(bits));
  if (!isGood || Number(bits ?? 0) > most)
    throw new FatalError(`proxy-protocol-trusted: expected addresses and networks such as 10.0.0.0/8, got '${word}'`);
  trusted.addSubnet(address, Number(bits ?? most), family === 6 ? 'ipv6' : 'ipv4');
}

/** The `tls-*` directives as one value, and what they must say. */
import { constants } from 'node:crypto';
import type { Config } from '../config/index.ts';

export type ClientCertificates = 'none' | 'optional' | 'required';

export interface TlsSettings {
  readonly certFile: string;
  readonly keyFile: string;
  readonly keyFilePass: string;
  readonly caCertFile: string;
  readonly caCertDir: string;
  /** Words; empty: TLSv1.2 and TLSv1.3. */
  readonly protocols: string;
  readonly clientCertificates: ClientCertificates;
  /** OpenSSL's list for protocols up to TLSv1.2; empty: Node's. */
  readonly ciphers: string;
  /** Names for TLSv1.3 separated by colons; empty: OpenSSL's. */
  readonly cipherSuites: string;
  readonly prefersServerCiphers: boolean;
  readonly sessionCaching: boolean;
  readonly sessionTimeoutSeconds: number;
}

/** What a change of may make another context necessary. */
export const tlsDirectives = [
  'tls-cert-file',
  'tls-key-file',
  'tls-key-file-pass',
  'tls-ca-cert-file',
  'tls-ca-cert-dir',
  'tls-protocols',
  'tls-auth-clients',
  'tls-ciphers',
  'tls-ciphersuites',
  'tls-prefer-server-ciphers',
  'tls-session-caching',
  'tls-session-cache-timeout',
] as const;

export function tlsSettings(config: Pick<Config, 'get'>): TlsSettings {
  return {
    certFile: config.get('tls-cert-file'),
    keyFile: config.get('tls-key-file'),
    keyFilePass: config.get('tls-key-file-pass'),
    caCertFile: config.get('tls-ca-cert-file'),
    caCertDir: config.get('tls-ca-cert-dir'),
    protocols: config.get('tls-protocols'),
    clientCertificates: certificatesAsked(config.get('tls-auth-clients')),
    ciphers: config.get('tls-ciphers'),
    cipherSuites: config.get('tls-ciphersuites'),
    prefersServerCiphers: config.get('tls-prefer-server-ciphers'),
    sessionCaching: config.get('tls-session-caching'),
    sessionTimeoutSeconds: config.get('tls-session-cache-timeout'),
  };
}

/** Nothing set means yes: whoever wants clients without certificates has to say so. */
function certificatesAsked(word: string): ClientCertificates {
  if (word === 'no') return 'none';
  return word === 'optional' ? 'optional' : 'required';
}

const versions = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const;
type Version = (typeof versions)[number];

/** What OpenSSL is told in order to leave a version out. */
const without: Readonly<Record<Version, number>> = {
  TLSv1: constants.SSL_OP_NO_TLSv1,
  'TLSv1.1': constants.SSL_OP_NO_TLSv1_1,
  'TLSv1.2': constants.SSL_OP_NO_TLSv1_2,
  'TLSv1.3': constants.SSL_OP_NO_TLSv1_3,
};

export interface VersionRange {
  readonly minVersion: Version;
  readonly maxVersion: Version;
  /** OpenSSL's options against versions between the two. */
  readonly gaps: number;
}

/** @throws Error saying what `tls-protocols` may hold. */
export function versionRange(protocols: string): VersionRange {
  const words = protocols.split(/\s+/).filter((word) => word !== '');
  const wanted = words.map((word) => versions.find((version) => version.toLowerCase() === word.toLowerCase()));
  if (wanted.includes(undefined))
    throw new Error(`tls-protocols: expected words of ${versions.join(', ')}, got '${protocols.slice(0, 80)}'`);
  if (words.length === 0) return { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3', gaps: 0 };
  const offered = versions.map((version) => wanted.includes(version));
  const first = offered.indexOf(true);
  const last = offered.lastIndexOf(true);
  const inside = versions.slice(first, last + 1).filter((version) => !wanted.includes(version));
  return {
    minVersion: versions[first] as Version,
    maxVersion: versions[last] as Version,
    gaps: inside.reduce((options, version) => options | without[version], 0),
  };
}

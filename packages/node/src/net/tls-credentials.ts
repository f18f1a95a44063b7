/**
 * What this node shows and asks for over TLS: certificate, key, authorities, versions, ciphers, read from files at the
 * start and again whenever CONFIG SET names one of the directives. Connections that are open keep what they began with.
 *
 * Messages name the directive, the file and what is wrong with it; they never hold the key or its passphrase.
 */
import { X509Certificate, constants, createPrivateKey, type KeyObject } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { assert, messageOf, type Connector, type Logger } from '@holdfast/base';
import { tlsConnector } from '@holdfast/base/real';
import type { Config } from '../config/index.ts';
import { tlsDirectives, tlsSettings, versionRange, type ClientCertificates, type TlsSettings } from './tls-settings.ts';

/** One state of the directives and files. */
export interface TlsMaterial {
  readonly options: SecureContextOptions;
  readonly clientCertificates: ClientCertificates;
  /** For connections opened by this side. */
  readonly context: SecureContext;
}

interface Loaded {
  readonly settings: string;
  readonly material: TlsMaterial;
}

/** Suites of TLSv1.3 when none are named; those that OpenSSL takes by itself. */
const defaultSuites = 'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256';

export class TlsCredentials {
  readonly #config: Config;
  readonly #logger: Logger;
  #loaded: Loaded | undefined;

  constructor(config: Config, logger: Logger) {
    this.#config = config;
    this.#logger = logger;
  }

  /** Something of this node speaks TLS. */
  get isWanted(): boolean {
    return this.#config.get('tls-port') !== 0 || this.#replicatesOverTls;
  }

  get #replicatesOverTls(): boolean {
    return this.#config.get('tls-replication');
  }

  /**
   * Reads the files, and from now on whenever the directives are set.
   * @throws Error naming what is wrong.
   */
  open(): void {
    if (!this.isWanted) return;
    this.#load();
    for (const name of tlsDirectives) this.#config.onChange(name, () => void this.#load());
  }

  /** What holds now. */
  get material(): TlsMaterial {
    const loaded = this.#loaded;
    assert(loaded !== undefined, 'TLS is used although nothing of this node speaks it');
    // A change that was refused for another directive's sake has been taken back.
    if (loaded.settings === this.#settingsNow()) return loaded.material;
    try {
      return this.#load();
    } catch (error) {
      this.#logger.warn('the former TLS settings go on', { error: messageOf(error) });
      return loaded.material;
    }
  }

  /** Opens the links to the master. */
  get connector(): Connector {
    return tlsConnector(() => this.material.context);
  }

  #settingsNow(): string {
    return JSON.stringify(tlsSettings(this.#config));
  }

  #load(): TlsMaterial {
    const settings = tlsSettings(this.#config);
    const material = readTlsMaterial(settings);
    if (this.#replicatesOverTls && material.options.ca === undefined)
      throw new Error(
        "tls-replication: the master's certificate cannot be verified; set tls-ca-cert-file or tls-ca-cert-dir",
      );
    this.#loaded = { settings: JSON.stringify(settings), material };
    return material;
  }
}

/** Reads and checks everything. @throws Error naming directive, file and reason. */
export function readTlsMaterial(settings: TlsSettings): TlsMaterial {
  const { minVersion, maxVersion, gaps } = versionRange(settings.protocols);
  const ca = authorities(settings);
  if (settings.clientCertificates !== 'none' && ca === undefined)
    throw new Error(
      "tls-ca-cert-file: clients' certificates cannot be verified; name the authorities, or set tls-auth-clients no",
    );
  const options: SecureContextOptions = {
    ...identity(settings),
    ...(ca === undefined ? {} : { ca }),
    minVersion,
    maxVersion,
    ciphers: cipherList(settings),
    honorCipherOrder: settings.prefersServerCiphers,
    sessionTimeout: settings.sessionTimeoutSeconds,
    secureOptions: gaps | (settings.sessionCaching ? 0 : constants.SSL_OP_NO_TICKET),
  };
  return { options, clientCertificates: settings.clientCertificates, context: createSecureContext(options) };
}

function identity({ certFile, keyFile, keyFilePass }: TlsSettings): { cert: Buffer; key: Buffer; passphrase?: string } {
  const cert = contentOf('tls-cert-file', certFile);
  const key = contentOf('tls-key-file', keyFile);
  const certificate = about('tls-cert-file', certFile, () => new X509Certificate(cert));
  const passphrase = keyFilePass === '' ? {} : { passphrase: keyFilePass };
  const privateKey = about('tls-key-file', keyFile, (): KeyObject => createPrivateKey({ key, ...passphrase }));
  if (!certificate.checkPrivateKey(privateKey))
    throw new Error(`tls-key-file ${keyFile}: the key is not that of the certificate in ${certFile}`);
  // What follows the certificate in its file is sent with it.
  about('tls-cert-file', certFile, () => createSecureContext({ cert }));
  return { cert, key, ...passphrase };
}

/** Trusted certificates; undefined when no file and no folder is named. */
function authorities({ caCertFile, caCertDir }: TlsSettings): string[] | undefined {
  const found: string[] = [];
  if (caCertFile !== '') found.push(...certificatesOf('tls-ca-cert-file', caCertFile, true));
  if (caCertDir !== '') {
    const names = about('tls-ca-cert-dir', caCertDir, () => readdirSync(caCertDir, { withFileTypes: true }));
    for (const entry of names)
      if (!entry.isDirectory()) found.push(...certificatesOf('tls-ca-cert-dir', join(caCertDir, entry.name), false));
    if (found.length === 0) throw new Error(`tls-ca-cert-dir ${caCertDir}: there is no certificate in it`);
  }
  return found.length === 0 ? undefined : [...new Set(found)];
}

function certificatesOf(directive: string, path: string, isRequired: boolean): string[] {
  const text = contentOf(directive, path).toString('latin1');
  const found =
    text.match(/-----BEGIN (?:TRUSTED )?CERTIFICATE-----[^-]+-----END (?:TRUSTED )?CERTIFICATE-----/g) ?? [];
  if (found.length === 0 && isRequired) throw new Error(`${directive} ${path}: there is no certificate in it`);
  for (const pem of found) about(directive, path, () => new X509Certificate(pem));
  return found;
}

/** Both kinds in the one list that Node takes. */
function cipherList({ ciphers, cipherSuites }: TlsSettings): string {
  const suites = cipherSuites === '' ? defaultSuites : cipherSuites;
  const unknown = suites.split(':').find((suite) => !suite.startsWith('TLS_'));
  if (unknown !== undefined) throw new Error(`tls-ciphersuites: '${unknown.slice(0, 80)}' is no suite of TLSv1.3`);
  about('tls-ciphersuites', suites, () => createSecureContext({ ciphers: suites, minVersion: 'TLSv1.3' }));
  if (ciphers === '') return `${suites}:DEFAULT`;
  about('tls-ciphers', ciphers, () => createSecureContext({ ciphers: `${defaultSuites}:${ciphers}` }));
  return `${suites}:${ciphers}`;
}

function contentOf(directive: string, path: string): Buffer {
  if (path === '') throw new Error(`${directive}: no file is named`);
  return about(directive, path, () => readFileSync(path));
}

/** Adds to an error what it is about. OpenSSL's texts name no content. */
function about<T>(directive: string, subject: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // OpenSSL begins with numbers and the names of its parts.
    const said = messageOf(error).replace(/^error:[0-9A-F]+:[^:]*:[^:]*:/, '');
    const reason = code === 'ENOENT' ? 'no such file' : said;
    throw new Error(`${directive} ${subject}: ${reason}`, { cause: error });
  }
}

/** Certificates for tests, made by openssl when they are needed. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Why there can be no certificates; false when there can. For `test`'s `skip`. */
export function withoutOpenssl(): string | false {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'openssl is not installed: no certificates can be made';
  }
}

export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** An authority and what it has signed, in a folder of its own. */
export class TestAuthority {
  readonly dir: string = mkdtempSync(join(tmpdir(), 'holdfast-ca-'));
  readonly cert: string = join(this.dir, 'ca.crt');
  readonly #key = join(this.dir, 'ca.key');

  constructor() {
    this.#openssl('req', '-x509', ...newKey, '-nodes', '-keyout', this.#key, '-out', this.cert, ...named('authority'));
  }

  /** Signs a certificate for a new key. @param passphrase what the key is encrypted with; absent: it is not. */
  issue(name: string, passphrase?: string): CertificateFiles {
    const [cert, key, request] = ['crt', 'key', 'csr'].map((end) => join(this.dir, `${name}.${end}`)) as [
      string,
      string,
      string,
    ];
    const secrecy = passphrase === undefined ? ['-nodes'] : ['-passout', `pass:${passphrase}`];
    this.#openssl('req', ...newKey, ...secrecy, '-keyout', key, '-out', request, '-subj', `/CN=${name}`);
    const signer = ['-CA', this.cert, '-CAkey', this.#key, '-CAcreateserial'];
    this.#openssl('x509', '-req', '-in', request, ...signer, '-days', '2', '-out', cert);
    return { cert, key };
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  }
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];

function named(name: string): string[] {
  return ['-days', '2', '-subj', `/CN=${name}`];
}

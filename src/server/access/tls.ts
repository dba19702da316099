import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readPrivateFile } from '../../vault/private-file.ts';

/** Certificate (with its chain) and key, as PEM text. */
export interface Tls {
  readonly certificate: string;
  readonly key: string;
}

/** Reads the two files. @throws Error with the remedy; so does `checkTls` */
export function readTls(certificateFile: string, keyFile: string): Tls {
  let certificate: string;
  try {
    certificate = readFileSync(certificateFile, 'utf8');
  } catch (error) {
    throw new Error(`certificate ${certificateFile} cannot be read (${(error as NodeJS.ErrnoException).code})`, {
      cause: error,
    });
  }
  return { certificate, key: readPrivateFile(keyFile, 'key') };
}

/**
 * Whether certificate and key can serve.
 * @param nowMs Unix time
 * @returns what a person should know although it works: expired, or soon
 * @throws Error where it cannot work
 */
export function checkTls({ certificate, key }: Tls, nowMs: number): string | undefined {
  let first: X509Certificate;
  let secret: KeyObject;
  try {
    first = new X509Certificate(certificate);
  } catch (error) {
    throw new Error('the TLS certificate is not PEM (-----BEGIN CERTIFICATE-----)', { cause: error });
  }
  try {
    secret = createPrivateKey(key);
  } catch (error) {
    throw new Error('the TLS key is not an unencrypted PEM key (-----BEGIN PRIVATE KEY-----)', { cause: error });
  }
  if (!first.checkPrivateKey(secret)) {
    const whose = first.subjectAltName ?? first.subject.replaceAll('\n', ', ');
    throw new Error(`the TLS key does not belong to the certificate of ${whose}: the two files are of different pairs`);
  }
  const until = Date.parse(first.validTo);
  if (nowMs > until) return `the TLS certificate expired on ${first.validTo}: browsers will refuse it`;
  if (nowMs < Date.parse(first.validFrom)) return `the TLS certificate is not valid before ${first.validFrom}`;
  const days = Math.floor((until - nowMs) / 86_400_000);
  return days < 14 ? `the TLS certificate expires in ${days} days, on ${first.validTo}` : undefined;
}

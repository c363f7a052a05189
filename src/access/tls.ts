/** The certificate that the server shows. @module */
import { createPrivateKey, X509Certificate } from "node:crypto";

/** A certificate chain and its key, PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** A certificate that cannot be used. The message names the file and what to do. */
export class CertificateProblem extends Error {
  override readonly name = "CertificateProblem";
}

/**
 * Reads a certificate and its key and sees that they belong together: the runtime would only say so to clients.
 *
 * @throws {CertificateProblem}
 */
export async function readCertificate(
  { certFile, keyFile }: { readonly certFile: string; readonly keyFile: string },
): Promise<Certificate> {
  const cert = await textOf("--tls-cert", certFile);
  const key = await textOf("--tls-key", keyFile);
  const leaf = parsed(() => new X509Certificate(cert));
  if (leaf === null) throw new CertificateProblem(`--tls-cert: ${certFile} holds no certificate in PEM`);
  const privateKey = parsed(() => createPrivateKey(key));
  if (privateKey === null) {
    throw new CertificateProblem(`--tls-key: ${keyFile} holds no private key in PEM (without a passphrase)`);
  }
  if (!leaf.checkPrivateKey(privateKey)) {
    throw new CertificateProblem(
      `--tls-key: ${keyFile} is not the key of the certificate in ${certFile}; the server's own certificate comes first`,
    );
  }
  return { cert, key };
}

async function textOf(flag: string, file: string): Promise<string> {
  try {
    return await Deno.readTextFile(file);
  } catch (error) {
    const reason = (error instanceof Error ? error.message : String(error)).replace(/: readfile '.*$/s, "");
    throw new CertificateProblem(`${flag}: cannot read ${file}: ${reason}`);
  }
}

function parsed<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}

// Certificates made by openssl in a folder of their own, and real Redis servers that speak TLS alone with them.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, startTestRedis, type TestRedis } from '../support/redis.js'

export interface Certificate {
  readonly certFile: string
  readonly keyFile: string
  readonly pem: string
}

export class Authority {
  readonly folder = mkdtempSync(join(tmpdir(), 'drover-tls-'))
  readonly #roots = new Map<string, Certificate>()

  /** The certificate of an authority of this name, which signs itself. */
  root(name: string): Certificate {
    const known = this.#roots.get(name)
    if (known !== undefined) return known
    const root = this.#newKey(name)
    const words = ['-new', '-x509', '-days', '30', '-subj', `/CN=${name}`, '-key', root.keyFile, '-out', root.certFile]
    this.#openssl(['req', ...words, '-addext', 'basicConstraints=critical,CA:TRUE'])
    const made = { ...root, pem: readFileSync(root.certFile, 'utf8') }
    this.#roots.set(name, made)
    return made
  }

  /** A server's certificate for these names, signed by that authority; `days` below 0 makes one that has expired. */
  server(name: string, signer: string, names: string, days = 10): Certificate {
    const ca = this.root(signer)
    const own = this.#newKey(name)
    const request = join(this.folder, `${name}.csr`)
    const extension = join(this.folder, `${name}.ext`)
    writeFileSync(extension, `subjectAltName=${names}\n`)
    this.#openssl(['req', '-new', '-subj', `/CN=${name}`, '-key', own.keyFile, '-out', request])
    const sign = ['-req', '-in', request, '-CA', ca.certFile, '-CAkey', ca.keyFile, '-CAcreateserial']
    this.#openssl(['x509', ...sign, '-days', `${days}`, '-extfile', extension, '-out', own.certFile])
    return { ...own, pem: readFileSync(own.certFile, 'utf8') }
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }

  #newKey(name: string): { certFile: string; keyFile: string } {
    const keyFile = join(this.folder, `${name}.key`)
    this.#openssl(['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', keyFile])
    return { keyFile, certFile: join(this.folder, `${name}.pem`) }
  }

  #openssl(words: readonly string[]): void {
    execFileSync('openssl', [...words], { stdio: 'pipe' })
  }
}

export interface TlsRedis {
  readonly port: number
  readonly redis: TestRedis
}

/** A server that answers on a TLS port alone, with this certificate and password. */
export async function startTlsRedis({ certFile, keyFile }: Certificate, password: string): Promise<TlsRedis> {
  const port = await freePort()
  const tls = ['--tls-port', `${port}`, '--tls-cert-file', certFile, '--tls-key-file', keyFile]
  const args = ['--port', '0', ...tls, '--tls-ca-cert-file', certFile, '--tls-auth-clients', 'no']
  return { port, redis: await startTestRedis({ appendonly: true, password, args }) }
}

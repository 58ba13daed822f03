// Lays out the folder that the Dockerfile's last stage makes, without a container engine: what each COPY names, with the
// production packages alone. Programs run there as the image's user where the test runs as root.
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'
import { type Copy, copiesOf, type Instruction } from './dockerfile.js'

export interface ImageFolder {
  /** Stands for /app: nothing in it can be written by the image's user. */
  readonly app: string
  /** Stands for /tmp. */
  readonly temporary: string
  remove(): void
}

/** Stages other than the last build in /app, so what is copied from them is in the checkout at the same place. */
const WORKDIR = '/app/'

export function layImage(root: string, image: readonly Instruction[]): ImageFolder {
  const folder = mkdtempSync(join(tmpdir(), 'drover-image-'))
  const app = join(folder, 'app')
  const temporary = join(folder, 'tmp')
  for (const path of [app, temporary]) mkdirSync(path)
  for (const copy of copiesOf(image)) {
    if (copy.from === 'packages') layPackages(root, app)
    else layCopy(root, app, copy)
  }
  chmodSync(folder, 0o755)
  chmodSync(temporary, 0o1777)
  return { app, temporary, remove: () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }) }
}

function layCopy(root: string, app: string, { sources, target }: Copy): void {
  for (const source of sources) {
    const from = join(root, source.startsWith(WORKDIR) ? relative(WORKDIR, source) : source)
    const into = target.endsWith('/') ? join(app, target, basename(from)) : join(app, target)
    cpSync(from, into, { recursive: true })
  }
}

/** What `npm ci --omit=dev` installs, as package-lock.json marks it. */
function layPackages(root: string, app: string): void {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean }>
  }
  for (const [path, { dev }] of Object.entries(packages)) {
    const from = join(root, path)
    if (path === '' || dev === true || statSync(from, { throwIfNoEntry: false }) === undefined) continue
    // Packages inside packages have entries of their own.
    cpSync(from, join(app, path), { recursive: true, filter: (name) => relative(from, name) !== 'node_modules' })
  }
}

/**
 * The words before a command that make it run as the image's user, without capabilities. None where this process may not
 * become that user, or where that user could not reach Node or the folder.
 */
export function asImageUser(image: readonly Instruction[], folder: string): string[] {
  const canSwitch = process.platform === 'linux' && process.getuid?.() === 0
  if (!canSwitch || ![process.execPath, folder].every(isOpenToAll)) return []
  const [user = '', group = ''] = (image.find(({ name }) => name === 'USER')?.rest ?? '').split(':')
  const identity = [`--reuid=${user}`, `--regid=${group}`, '--clear-groups']
  return ['setpriv', ...identity, '--no-new-privs', '--bounding-set=-all', '--inh-caps=-all']
}

function isOpenToAll(path: string): boolean {
  return (statSync(path).mode & 0o001) !== 0 && (path === '/' || isOpenToAll(dirname(path)))
}

// The system's package manager: which one there is, whether we may use it without a password, and installing with it.

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { findProgram } from './find-program.mjs'
import { say } from './say.mjs'

const SHOWN_LINES = 15

// Debian starts a server that it installs, unless the machine is said to be in single-user mode.
const APT_ENVIRONMENT = { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
const APT_WAIT = ['-o', 'DPkg::Lock::Timeout=120']

const MANAGERS = [
  { name: 'apt', program: 'apt-get', install: installWithApt },
  { name: 'dnf', program: 'dnf', install: (run, packages) => run(['install', '-y', ...packages]) },
  { name: 'apk', program: 'apk', install: (run, packages) => run(['add', '--no-cache', ...packages]) },
]
const BREW = { name: 'brew', program: 'brew', install: (run, packages) => run(['install', ...packages]) }

/** `{ name, install(packages) }` for the package manager that can be used now without asking anyone, or undefined. */
export function findPackageManager({ platform = process.platform, isRoot = process.getuid?.() === 0 } = {}) {
  const known = platform === 'darwin' ? [BREW] : MANAGERS
  const manager = known.find(({ program }) => findProgram([program]) !== undefined)
  if (manager === undefined) return undefined
  // Homebrew refuses to run as root; the others need it.
  const asRoot = manager === BREW ? (isRoot ? undefined : []) : isRoot ? [] : withoutPassword()
  if (asRoot === undefined) return undefined
  return {
    name: manager.name,
    install: (packages) =>
      manager.install((args) => runManager([...asRoot, manager.program, ...args]), packages, asRoot),
  }
}

function withoutPassword() {
  if (findProgram(['sudo']) === undefined) return undefined
  const allowed = spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0
  return allowed ? ['sudo', '-n'] : undefined
}

/** One retry of each half: package lists change under a mirror, and a fresh machine has none. */
function installWithApt(run, packages, asRoot) {
  const update = () => run([...APT_WAIT, 'update'])
  const install = () => run([...APT_WAIT, 'install', '-y', '--no-install-recommends', ...packages])
  if (!update()) update()
  const done = install() || (update() && install())
  if (done && packages.includes('redis-server')) stopService('redis-server', asRoot)
  return done
}

/** A server that was not there a moment ago is nobody's: if its package started it after all, it is stopped again. */
function stopService(name, asRoot) {
  const stop = existsSync('/run/systemd/system')
    ? ['systemctl', 'disable', '--now', name]
    : existsSync(`/etc/init.d/${name}`) && [`/etc/init.d/${name}`, 'stop']
  if (!stop) return
  const [command, ...args] = [...asRoot, ...stop]
  spawnSync(command, args, { stdio: 'ignore' })
}

/** Runs one step quietly; on failure the end of its output is shown. */
function runManager(words) {
  const variables = words.includes('apt-get')
    ? Object.entries(APT_ENVIRONMENT).map(([key, value]) => `${key}=${value}`)
    : []
  const [command, ...args] =
    words[0] === 'sudo'
      ? [...words.slice(0, 2), 'env', ...variables, ...words.slice(2)]
      : ['env', ...variables, ...words]
  const result = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  if (result.status === 0) return true
  const output = `${result.stdout ?? ''}${result.stderr ?? ''}${result.error?.message ?? ''}`.trimEnd().split('\n')
  say(`${words.join(' ')} failed with exit code ${result.status}:`)
  for (const line of output.slice(-SHOWN_LINES)) process.stderr.write(`  ${line}\n`)
  return false
}

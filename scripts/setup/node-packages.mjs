// Node and the npm packages: checks Node's version and keeps node_modules equal to package-lock.json.

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { say } from './say.mjs'
import { SetupError } from './setup-error.mjs'

/** The same range as `engines.node` in package.json. */
export const NODE_RANGE = '^20.19.0 || >=22.12.0'

export function isSupportedNode(version) {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number)
  if (major === 20) return minor >= 19
  if (major === 22) return minor >= 12
  return major > 22
}

export function checkNode(version = process.versions.node) {
  if (isSupportedNode(version)) return
  throw new SetupError(
    `Drover needs Node ${NODE_RANGE}, this is Node ${version}. Install a current version from https://nodejs.org and run the command again.`,
  )
}

export function installPackages(root) {
  const reason = whyInstall(root)
  if (reason === undefined) return
  say(`${reason}: running npm ci`)
  // `--include=dev` wins over NODE_ENV=production, which would leave out the compiler. No package here needs an install script.
  const args = ['ci', '--include=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  const [command, ...prefix] = npmCommand()
  const run = spawnSync(command, [...prefix, ...args], { cwd: root, stdio: ['ignore', 2, 2] })
  if (run.error) throw new SetupError(`npm could not be started: ${run.error.message}`)
  if (run.status !== 0) throw new SetupError(`npm ci failed with exit code ${run.status}: its own message is above.`)
}

/**
 * Why node_modules is not what package-lock.json asks for, or undefined when it is. npm leaves a record of what it
 * installed in node_modules/.package-lock.json, written last, so an install that broke off has none.
 */
export function whyInstall(root) {
  if (!existsSync(join(root, 'node_modules'))) return 'node_modules is missing'
  const recordPath = join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(recordPath)) return 'node_modules has no record of a finished install'
  const wanted = readPackages(join(root, 'package-lock.json'))
  const installed = readPackages(recordPath)
  for (const [path, entry] of wanted) {
    const found = installed.get(path)
    if (found === undefined) {
      if (entry.optional || entry.devOptional) continue
      return `${path} is missing`
    }
    if (found.version !== entry.version || found.integrity !== entry.integrity) {
      return `${path} is ${found.version} and package-lock.json asks for ${entry.version}`
    }
  }
  for (const [path, entry] of installed) {
    if (!wanted.has(path)) return `${path} is not in package-lock.json`
    if (!existsSync(join(root, path))) return `${path} is missing`
    if (isForeign(entry)) return `${path} was installed for another system`
  }
  return undefined
}

function readPackages(path) {
  const packages = Object.entries(JSON.parse(readFileSync(path, 'utf8')).packages)
  return new Map(packages.filter(([name]) => name.startsWith('node_modules/')))
}

function isForeign(entry) {
  return !matches(entry.os, process.platform) || !matches(entry.cpu, process.arch)
}

function matches(allowed, value) {
  return (
    allowed === undefined ||
    allowed.includes(value) ||
    allowed.every((name) => name.startsWith('!') && name !== `!${value}`)
  )
}

/** The npm that runs us, when one does: it need not be the one on PATH. */
function npmCommand() {
  const running = process.env.npm_execpath
  return running?.endsWith('npm-cli.js') ? [process.execPath, running] : ['npm']
}

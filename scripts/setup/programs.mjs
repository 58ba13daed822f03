// The programs that Drover needs and npm does not bring: how each is found, which package has it, what to tell a person.

import { spawnSync } from 'node:child_process'
import { findProgram } from './find-program.mjs'
import { findPackageManager } from './package-manager.mjs'
import { findPostgresProgram } from './postgres-programs.mjs'
import { say } from './say.mjs'
import { SetupError } from './setup-error.mjs'

/** In `packages`, a list has alternatives: the first that installs is taken. */
export const REDIS = {
  what: 'a Redis server (redis-server or valkey-server)',
  isThere: () => findProgram(['redis-server', 'valkey-server']) !== undefined,
  packages: { apt: ['redis-server'], dnf: ['valkey', 'redis'], apk: ['redis', 'valkey'], brew: ['redis'] },
  commands: {
    'Debian, Ubuntu': 'sudo apt-get install redis-server',
    Fedora: 'sudo dnf install valkey',
    Alpine: 'sudo apk add redis',
    macOS: 'brew install redis',
  },
}

export const CHROMIUM = {
  what: 'Chromium (for the browser tests)',
  isThere: () => findProgram(['chromium', 'chromium-browser', 'google-chrome']) !== undefined,
  packages: { apt: ['chromium', 'chromium-browser'], dnf: ['chromium'], apk: ['chromium'], brew: [] },
  commands: {
    'Debian, Ubuntu': 'sudo apt-get install chromium',
    Fedora: 'sudo dnf install chromium',
    Alpine: 'sudo apk add chromium',
    macOS: 'put a program named chromium or google-chrome on PATH',
  },
}

export const PYTHON_REDIS = {
  what: "Python's redis module for /usr/bin/python3 (for the tests from another language)",
  isThere: () => spawnSync('/usr/bin/python3', ['-c', 'import redis'], { stdio: 'ignore' }).status === 0,
  packages: { apt: ['python3-redis'], dnf: ['python3-redis'], apk: ['py3-redis'], brew: [] },
  commands: {
    'Debian, Ubuntu': 'sudo apt-get install python3-redis',
    Fedora: 'sudo dnf install python3-redis',
    Alpine: 'sudo apk add py3-redis',
    macOS: '/usr/bin/python3 -m pip install --user redis',
  },
}

export const POSTGRES = {
  what: 'a Postgres server (for the tests of the outbox)',
  isThere: () => ['initdb', 'postgres'].every((name) => findPostgresProgram(name) !== undefined),
  packages: { apt: ['postgresql'], dnf: ['postgresql-server'], apk: ['postgresql'], brew: ['postgresql@17'] },
  commands: {
    'Debian, Ubuntu': 'sudo apt-get install postgresql',
    Fedora: 'sudo dnf install postgresql-server',
    Alpine: 'sudo apk add postgresql',
    macOS: 'brew install postgresql@17',
  },
}

/** Installs what is missing of `programs`, or throws one SetupError that names all of it with the commands to run. */
export function installPrograms(programs, { needsServerItself, findManager = findPackageManager }) {
  const missing = programs.filter((program) => !program.isThere())
  if (missing.length === 0) return
  const manager = findManager()
  if (manager !== undefined) for (const program of missing) installProgram(program, manager)
  const still = missing.filter((program) => !program.isThere())
  if (still.length === 0) return
  throw new SetupError(still.map((program) => describeMissing(program, needsServerItself)).join('\n'))
}

function installProgram(program, manager) {
  for (const name of program.packages[manager.name]) {
    say(`installing ${name} with ${manager.name}: ${program.what} is missing`)
    if (manager.install([name])) return
  }
}

function describeMissing(program, needsServerItself) {
  const commands = Object.entries(program.commands)
  if (program === REDIS && !needsServerItself) {
    commands.push(['Docker', 'docker run -p 6379:6379 redis   with REDIS_URL=redis://127.0.0.1:6379 set here'])
  }
  const lines = commands.map(([system, command]) => `  ${system.padEnd(15)} ${command}`)
  return [`Drover needs ${program.what} and found none. Install it, then run the command again:`, ...lines].join('\n')
}

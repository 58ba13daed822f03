// Makes a fresh checkout ready, with Node's own modules only: packages, build, a Redis server, and for the tests a
// browser, Python's Redis client and Postgres. What is done already is skipped silently. `node scripts/setup.mjs [--tests]`.

import { realpathSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildIfStale } from './setup/build-stamp.mjs'
import { checkNode, installPackages } from './setup/node-packages.mjs'
import { CHROMIUM, installPrograms, POSTGRES, PYTHON_REDIS, REDIS } from './setup/programs.mjs'
import { SetupError } from './setup/setup-error.mjs'

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))

/** Ends the process with code 1 and one message when a person has to do something first. */
export function setup({ forTests }) {
  try {
    checkNode()
    installPackages(ROOT)
    buildIfStale(ROOT)
    installPrograms(neededPrograms(forTests), { needsServerItself: forTests })
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exit(1)
  }
}

/** Tests start servers of their own. Everything else may use the Redis that the environment names. */
export function neededPrograms(forTests) {
  if (forTests) return [REDIS, CHROMIUM, PYTHON_REDIS, POSTGRES]
  return process.env.REDIS_URL || process.env.REDIS_HOST ? [] : [REDIS]
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  setup({ forTests: process.argv.includes('--tests') })
}

// `npm test`: sets up what is missing, then runs the linter, the compiler and the tests, stopping at the first that fails.
// `--fast` runs the unit tests alone, and the compiler beside them; other arguments go to vitest. The last line is always
// `N passed, N failed`.

import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runChild } from './run-child.mjs'
import { findLeftovers, findProcesses } from './setup/leftovers.mjs'
import { ROOT, setup } from './setup.mjs'

const isFast = process.argv.includes('--fast')
const vitestArgs = process.argv.slice(2).filter((arg) => arg !== '--fast')

setup({ forTests: !isFast })
process.chdir(ROOT)
const { code, passed, failed } = await run()
process.stdout.write(`\n${passed} passed, ${failed} failed\n`)
process.exitCode = code

async function run() {
  const lintCode = await runTool('@biomejs/biome/bin/biome', ['check', '.'])
  if (lintCode !== 0) return { code: lintCode, passed: 0, failed: 1 }
  const types = runTool('typescript/bin/tsc', ['-p', 'tsconfig.json'])
  const tests = isFast ? runVitest() : undefined
  const typesCode = await types
  if (typesCode === 0) return tests ?? runVitest()
  const { passed, failed } = (await tests) ?? { passed: 0, failed: 0 }
  process.stdout.write('\nthe compiler refused the types: its messages are above\n')
  return { code: typesCode, passed, failed: failed + 1 }
}

async function runVitest() {
  // The tests' TMPDIR: whatever is found in it afterwards is theirs, whoever else works on this machine.
  const folder = mkdtempSync(join(tmpdir(), 'drover-run-'))
  // Tests that run a program as another user have their files in here.
  chmodSync(folder, 0o755)
  const report = join(folder, 'vitest.json')
  const project = isFast ? ['--project', 'unit'] : []
  const args = [
    'run',
    ...project,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
    ...vitestArgs,
  ]
  const code = await runTool('vitest/vitest.mjs', args, { ...process.env, TMPDIR: folder })
  const leftovers = await findLeftovers(folder)
  for (const line of leftovers) process.stdout.write(`left behind by the tests: ${line}\n`)
  const { passed, failed } = readReport(report)
  for (const { pid } of findProcesses(folder)) process.kill(pid, 'SIGKILL')
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  // A run that failed without a failed test (a file that does not load, no test found, a leftover) counts as one failure.
  const isBroken = leftovers.length > 0 || (failed === 0 && (code !== 0 || passed === 0))
  return { code: code || (isBroken ? 1 : 0), passed, failed: failed + (isBroken ? 1 : 0) }
}

function runTool(tool, args, env = process.env) {
  return runChild(process.execPath, [join(ROOT, 'node_modules', tool), ...args], { env, stdin: 'ignore' })
}

function readReport(path) {
  try {
    const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(path, 'utf8'))
    return { passed: numPassedTests, failed: numFailedTests }
  } catch {
    // vitest ended before it wrote its report: its own output says why.
    return { passed: 0, failed: 0 }
  }
}

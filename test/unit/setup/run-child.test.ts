import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface, type Interface } from 'node:readline'
import type { Readable } from 'node:stream'
import { afterEach, beforeEach, expect, test } from 'vitest'

const MODULE = new URL('../../../scripts/run-child.mjs', import.meta.url).href

let parents: ChildProcessByStdio<null, Readable, null>[]

beforeEach(() => {
  parents = []
})

afterEach(() => {
  for (const parent of parents) if (parent.exitCode === null) parent.kill('SIGKILL')
})

/** A process that runs `childCode` in a child through runChild and exits with what it resolves to. */
function start(
  childCode: string,
  options: object = {},
): { parent: ChildProcessByStdio<null, Readable, null>; lines: Lines } {
  const code = `import { runChild } from ${JSON.stringify(MODULE)}
    process.exitCode = await runChild(process.execPath, ['-e', ${JSON.stringify(childCode)}], ${JSON.stringify(options)})`
  const parent = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  parents.push(parent)
  return { parent, lines: new Lines(createInterface(parent.stdout)) }
}

class Lines {
  readonly all: string[] = []
  readonly #reader: Interface

  constructor(reader: Interface) {
    this.#reader = reader
    reader.on('line', (line) => this.all.push(line))
  }

  async waitFor(line: string): Promise<void> {
    while (!this.all.includes(line)) await once(this.#reader, 'line')
  }
}

const REPORTS_SIGNALS = `
  process.on('SIGINT', () => console.log('INT'))
  process.on('SIGTERM', () => { console.log('TERM'); process.exit(7) })
  console.log('ready')
  setInterval(() => undefined, 1000)`

test('a Ctrl-C that comes from the terminal and again from npm reaches the child once', async () => {
  const { parent, lines } = start(REPORTS_SIGNALS, { samePressMs: 600_000 })
  await lines.waitFor('ready')
  // As a terminal does: to the whole process group, which the child is not in.
  process.kill(-(parent.pid as number), 'SIGINT')
  await lines.waitFor('INT')
  parent.kill('SIGINT')
  parent.kill('SIGTERM')
  const [code] = await once(parent, 'close')

  expect(lines.all).toEqual(['ready', 'INT', 'TERM'])
  expect(code).toBe(7)
})

test('a later second signal reaches the child too', async () => {
  const twice = `let n = 0
    process.on('SIGINT', () => { n += 1; console.log('INT' + n); if (n === 2) process.exit(3) })
    console.log('ready')
    setInterval(() => undefined, 1000)`
  const { parent, lines } = start(twice, { samePressMs: 0 })
  await lines.waitFor('ready')
  parent.kill('SIGINT')
  await lines.waitFor('INT1')
  parent.kill('SIGINT')

  expect(await once(parent, 'close')).toEqual([3, null])
})

test('the exit code is the child’s, or 128 and the number of the signal that ended it', async () => {
  const { parent } = start('process.exit(4)')
  expect(await once(parent, 'close')).toEqual([4, null])

  const { parent: killed } = start("process.kill(process.pid, 'SIGKILL')")
  expect(await once(killed, 'close')).toEqual([137, null])
})

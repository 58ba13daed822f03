// The end of programs whose worker is gone, and that a number which is another process's by now ends nobody.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { afterEach, expect, it } from 'vitest'
import { type ProgramGroup, signalGroup, WATCH } from '../../../src/worker/program-guard.js'

const started: ChildProcess[] = []
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL')
})

function startGroup(): { child: ChildProcess; group: ProgramGroup } {
  const child = spawn('sleep', ['600'], { stdio: 'ignore', detached: true })
  started.push(child)
  const pid = child.pid ?? 0
  const start = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[19] ?? ''
  expect(start).toMatch(/^\d+$/)
  return { child, group: { pid, start } }
}

/** What the shell is told before its worker is gone; resolves when it has ended. */
async function watch(...lines: string[]): Promise<void> {
  const shell = spawn('/bin/sh', ['-c', WATCH], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
    env: {},
  })
  started.push(shell)
  const ended = once(shell, 'exit')
  shell.stdin?.end(lines.map((line) => `${line}\n`).join(''))
  await ended
}

const isAlive = ({ exitCode, signalCode }: ChildProcess) => exitCode === null && signalCode === null
const endOf = async (child: ChildProcess) => (isAlive(child) ? (await once(child, 'exit'))[1] : child.signalCode)

it.runIf(process.platform === 'linux')(
  'the guard kills what began when it was told, and no other process of that number',
  async () => {
    const [left, other, done] = [startGroup(), startGroup(), startGroup()]
    const tell = (sign: string, { pid, start }: ProgramGroup) => `${sign} ${pid}:${start}`
    const before = { pid: other.group.pid, start: String(Number(other.group.start) - 100) }
    const gone = '+ 999999999:1'
    await watch(gone, tell('+', before), tell('+', done.group), tell('+', left.group), tell('-', done.group))
    expect(await endOf(left.child)).toBe('SIGKILL')
    // They would be dead by now: that one was the last in the list.
    expect([isAlive(other.child), isAlive(done.child)]).toEqual([true, true])
    // Where the start could not be read, there is the number alone to go by.
    await watch(`+ ${done.group.pid}:`)
    expect(await endOf(done.child)).toBe('SIGKILL')
  },
)

it.runIf(process.platform === 'linux')(
  'a signal for a program that has ended reaches no other process of its number',
  async () => {
    const { child, group } = startGroup()
    signalGroup({ pid: group.pid, start: '1' }, 'SIGKILL')
    signalGroup({ pid: 999_999_999, start: '1' }, 'SIGKILL')
    signalGroup(group, 'SIGTERM')
    expect(await endOf(child)).toBe('SIGTERM')
  },
)

// The supervisor over small real processes: crash loops, ends that are none, and processes that do not end.
import { pino } from 'pino'
import { expect, it } from 'vitest'
import { ManagedProcess } from '../../src/cli/supervisor/managed-process.js'
import type { RestartTiming } from '../../src/cli/supervisor/restart-policy.js'
import { Supervisor } from '../../src/cli/supervisor/supervisor.js'
import { isAlive, makeProject, write } from '../support/drover-cli.js'
import { until } from '../support/until.js'

const TIMING: RestartTiming = { firstWaitMs: 5, maxWaitMs: 20, steadyMs: 60_000 }
const READY = `process.on('disconnect', () => process.exit()); process.send({ kind: 'ready', signals: [] });`
const UNTIL_GATE = `while (!existsSync(new URL('gate', import.meta.url))) await setTimeout(5);`
const HANGS = `process.on('SIGTERM', () => {});`

interface Stage {
  readonly supervisor: Supervisor
  readonly lines: readonly Record<string, unknown>[]
  readonly said: (msg: string) => Record<string, unknown>[]
  /** Lets the processes that wait for it go on. */
  readonly openGate: () => void
}

interface StageOptions {
  readonly timing?: RestartTiming
  readonly killAfterMs?: number
  readonly level?: 'info' | 'debug'
  /** Which of them cannot be started. */
  readonly isRefused?: (number: number, n: number) => boolean
}

/** Processes that run `script`, whose `n` is how often their place was filled before. */
function supervise(
  processes: number,
  script: string,
  { timing = TIMING, killAfterMs = 60_000, level = 'debug', isRefused = () => false }: StageOptions = {},
): Stage {
  const cwd = makeProject()
  const imports = `import { existsSync } from 'node:fs'\nimport { setTimeout } from 'node:timers/promises'`
  write(cwd, 'process.mjs', `${imports}\nconst [number, n] = process.argv.slice(2).map(Number);\n${script}`)
  const lines: Record<string, unknown>[] = []
  const logger = pino({ level }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  const starts = new Map<number, number>()
  const supervisor = new Supervisor({
    processes,
    logger,
    timing,
    launch: ({ number, onMessage }) => {
      const n = starts.get(number) ?? 0
      starts.set(number, n + 1)
      if (isRefused(number, n)) throw new Error('spawn ENOMEM')
      const words = [`${number}`, `${n}`]
      const file = `${cwd}/process.mjs`
      return new ManagedProcess({ number, file, words, killAfterMs, onLine: () => undefined, onMessage })
    },
  })
  const said = (msg: string) => lines.filter((line) => line.msg === msg)
  return { supervisor, lines, said, openGate: () => write(cwd, 'gate', '') }
}

it('processes that end again and again are started with growing waits, told of once each, and end the supervisor when none works', async () => {
  const { supervisor, said } = supervise(2, `${READY} await setTimeout(1); process.exit(7);`)
  expect(await supervisor.run()).toBe(70)
  const ends = said('process ended by itself, it is started again')
  for (const number of [1, 2]) {
    const own = ends.filter((line) => line.process === number)
    expect(own.slice(0, 4)).toMatchObject([5, 10, 20, 20].map((againInMs) => ({ code: 7, againInMs })))
  }
  const loops = said('crash loop: the process ends again and again soon after its start')
  expect(loops.map((line) => line.process).sort()).toEqual([1, 2])
  expect(said('every process is in a crash loop, the supervisor ends')).toHaveLength(1)
  // They were killed, which takes effect a moment later.
  await until('its processes are gone', () => supervisor.processes.every(({ pid }) => !isAlive(pid ?? 0)))
})

it('a log that is thinned tells of the ends and of the crash loop of each process', async () => {
  const { supervisor, said } = supervise(3, `${READY} await setTimeout(1); process.exit(7);`, { level: 'info' })
  expect(await supervisor.run()).toBe(70)
  const ended = said('process ended by itself, it is started again').map((line) => line.process)
  expect([...new Set(ended)].sort()).toEqual([1, 2, 3])
  const loops = said('crash loop: the process ends again and again soon after its start')
  expect(loops.map((line) => line.process).sort()).toEqual([1, 2, 3])
})

it('one process in a crash loop does not end those that work', async () => {
  const { supervisor, said } = supervise(2, `${READY} if (number === 2) { await setTimeout(1); process.exit(7); }`)
  const code = supervisor.run()
  await until('it ended often', () => said('process ended by itself, it is started again').length > 9)
  expect(said('crash loop: the process ends again and again soon after its start')).toMatchObject([
    { process: 2, ends: 6 },
  ])
  await until('the other one works', () => supervisor.processes.some(({ number, isReady }) => number === 1 && isReady))
  await supervisor.close()
  expect(await code).toBe(0)
})

it('ends while Redis is away, and ends after a steady time, are no crash loop', async () => {
  const { supervisor, said } = supervise(1, `${READY} await setTimeout(1); process.exit(n < 8 ? 69 : 7);`)
  const code = supervisor.run()
  await until('it ended often', () => said('process ended by itself, it is started again').length > 8)
  expect(said('crash loop: the process ends again and again soon after its start')).toEqual([])
  await supervisor.close()
  await code
  const steady = supervise(1, `${READY} await setTimeout(1); process.exit(7);`, { timing: { ...TIMING, steadyMs: 0 } })
  const other = steady.supervisor.run()
  await until('it ended often', () => steady.said('process ended by itself, it is started again').length > 8)
  expect(steady.said('process ended by itself, it is started again').at(-1)).toMatchObject({ ends: 1, againInMs: 5 })
  await steady.supervisor.close()
  expect(await other).toBe(0)
})

it('a process that ignores SIGTERM is killed when its time is over, and that is told', async () => {
  const { supervisor, said } = supervise(1, `${HANGS} ${READY}`, { killAfterMs: 100 })
  const code = supervisor.run()
  await until('it is ready', () => said('process ready').length === 1)
  const [{ pid } = { pid: 0 }] = supervisor.processes
  await supervisor.close()
  expect(await code).toBe(1)
  expect(said('processes did not end in time and were killed')).toMatchObject([{ processes: [1] }])
  expect(isAlive(pid ?? 0)).toBe(false)
})

it('a close while a replacement starts ends both', async () => {
  const { supervisor, said } = supervise(1, `if (n === 0) { ${READY} } else setInterval(() => {}, 1000);`)
  const code = supervisor.run()
  await until('it is ready', () => said('process ready').length === 1)
  supervisor.restartAll()
  await until('the replacement starts', () => supervisor.processes.length === 2)
  const pids = supervisor.processes.map(({ pid }) => pid ?? 0)
  await supervisor.close()
  expect(await code).toBe(0)
  expect(pids.filter(isAlive)).toEqual([])
})

it('a process that dies while its replacement starts is replaced once', async () => {
  const { supervisor, said, openGate } = supervise(1, `if (n > 0) ${UNTIL_GATE}\n${READY}`)
  const code = supervisor.run()
  await until('it is ready', () => said('process ready').length === 1)
  supervisor.restartAll()
  await until('the replacement starts', () => supervisor.processes.length === 2)
  supervisor.processes[0]?.kill()
  openGate()
  await until('the restart is done', () => said('rolling restart done').length === 1)
  expect(supervisor.processes).toHaveLength(1)
  expect(supervisor.processes[0]?.isReady).toBe(true)
  await supervisor.close()
  expect(await code).toBe(0)
  expect(said('process ready')).toHaveLength(2)
})

it('a close waits for the process that was replaced and still has jobs', async () => {
  const busy = `if (n === 0) process.on('SIGTERM', async () => { ${UNTIL_GATE} process.exit() }); ${READY}`
  const { supervisor, said, openGate } = supervise(1, busy)
  const code = supervisor.run()
  await until('it is ready', () => said('process ready').length === 1)
  const [{ pid } = { pid: 0 }] = supervisor.processes
  supervisor.restartAll()
  await until('another has taken over', () => said('process ready').length === 2)
  expect(supervisor.processes.map((each) => each.pid)).toContain(pid)
  const closed = supervisor.close()
  openGate()
  await closed
  expect(isAlive(pid ?? 0)).toBe(false)
  expect(await code).toBe(0)
})

it('a process that cannot even be started is tried again, and those that run go on', async () => {
  const { supervisor, said } = supervise(2, READY, {
    isRefused: (number, n) => n === (number === 2 ? 0 : 1),
  })
  const code = supervisor.run()
  await until('both are ready', () => said('process ready').length === 2)
  expect(said('a process could not be started')).toMatchObject([{ process: 2, againInMs: 5 }])
  supervisor.restartAll()
  await until('the restart is given up', () => said('a process could not be replaced').length === 1)
  expect(supervisor.processes.filter(({ isReady }) => isReady)).toHaveLength(2)
  // The next one is not taken for one that is under way.
  supervisor.restartAll()
  await until('the restart is done', () => said('rolling restart done').length === 1)
  await supervisor.close()
  expect(await code).toBe(0)
})

// `npm run bench`: Drover against bare BullMQ on this machine, in this run. Each figure is the median of several rounds in
// which the kinds take turns, each in a process of its own against one Redis of ours; the ratio is the median of the
// rounds' ratios, so that a machine whose speed drifts misleads less. Prints a table, writes JSON to bench/results/.
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { startEmbeddedRedis } from '../src/redis/index.js'
import { runDashboardRows } from './dashboard/run.js'

type Figures = Readonly<Record<string, number>>

interface Row {
  readonly name: string
  readonly kinds: readonly string[]
  readonly scenario: string
  /** Arguments after the kind. */
  readonly args: readonly string[]
  /** The figure the row is about; the goal compares drover's with bare's. */
  readonly figure: string
  readonly goal: string
  /** Shows by how much drover's is more in place of how many times as much it is. */
  readonly isDifference?: true
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    scale: { type: 'string', default: '1' },
    only: { type: 'string' },
  },
})
const rounds = positive('rounds', values.rounds)
const scale = positive('scale', values.scale)
const execute = promisify(execFile)

function positive(name: string, text: string): number {
  const number = Number(text)
  if (!(number > 0 && number <= 1_000)) throw new Error(`--${name} must be a number above 0, got ${text}`)
  return number
}

const jobs = (count: number) => String(Math.max(300, Math.round(count * scale)))
const ALL = ['bare', 'drover', 'by-hand']
const PAIR = ['bare', 'drover']
const ROWS: readonly Row[] = [
  {
    name: 'jobs/s, concurrency 1',
    kinds: ALL,
    scenario: 'work',
    args: ['1', jobs(5_000)],
    figure: 'perSecond',
    goal: '>= 0.95',
  },
  {
    name: 'jobs/s, concurrency 10',
    kinds: ALL,
    scenario: 'work',
    args: ['10', jobs(20_000)],
    figure: 'perSecond',
    goal: '>= 0.95',
  },
  {
    name: 'jobs/s, concurrency 100',
    kinds: ALL,
    scenario: 'work',
    args: ['100', jobs(20_000)],
    figure: 'perSecond',
    goal: '>= 0.95',
  },
  {
    name: 'enqueue/s, 100 in flight',
    kinds: PAIR,
    scenario: 'enqueue',
    args: ['single', jobs(20_000)],
    figure: 'perSecond',
    goal: '>= 0.95',
  },
  {
    name: 'enqueue/s, bulk',
    kinds: PAIR,
    scenario: 'enqueue',
    args: ['bulk', jobs(50_000)],
    figure: 'perSecond',
    goal: '>= 0.95',
  },
  {
    name: 'enqueue/s, bulk of 100,000',
    kinds: PAIR,
    scenario: 'enqueue',
    args: ['bulk', jobs(100_000)],
    figure: 'perSecond',
    goal: '>= 1.0',
  },
  {
    // In these two bare is Drover without the limit.
    name: 'limited jobs/s, 10,000 keys',
    kinds: PAIR,
    scenario: 'limited',
    args: [jobs(20_000)],
    figure: 'perSecond',
    goal: '>= 0.6',
  },
  {
    name: 'limited enqueue/s, bulk',
    kinds: PAIR,
    scenario: 'limited',
    args: [jobs(20_000)],
    figure: 'enqueuedPerSecond',
    goal: '>= 0.5',
  },
  {
    // Here bare is Drover without a key.
    name: 'enqueue/s, with a key',
    kinds: PAIR,
    scenario: 'enqueue',
    args: ['keyed', jobs(20_000)],
    figure: 'perSecond',
    goal: '>= 0.8',
  },
  {
    name: 'enqueue/s over HTTP',
    kinds: PAIR,
    scenario: 'http',
    args: [jobs(10_000)],
    figure: 'perSecond',
    goal: '>= 0.9',
  },
  {
    name: 'awaited result, p50 ms',
    kinds: PAIR,
    scenario: 'await-result',
    args: [jobs(1_500)],
    figure: 'p50Ms',
    goal: '<= 1',
  },
  {
    name: 'awaited result, p99 ms',
    kinds: PAIR,
    scenario: 'await-result',
    args: [jobs(1_500)],
    figure: 'p99Ms',
    goal: '<= 1',
  },
  {
    name: 'cancel 1 of 100,000, p99 ms',
    kinds: PAIR,
    scenario: 'cancel',
    args: [jobs(100_000)],
    figure: 'p99Ms',
    goal: '<= 1',
  },
  {
    // Here bare is connections that send nothing, and the goal is for drover alone.
    name: 'heartbeats of 100 workers, % of a Redis core',
    kinds: PAIR,
    scenario: 'heartbeats',
    args: ['100'],
    figure: 'redisPercent',
    goal: '< 1 %',
  },
  {
    // Of Redis and Node together; their columns are microseconds of each second.
    name: 'idle worker of 10 queues, % of a core',
    kinds: PAIR,
    scenario: 'idle',
    args: ['10'],
    figure: 'percent',
    goal: '< 2 more',
    isDifference: true,
  },
  {
    name: 'bytes per kept result',
    kinds: PAIR,
    scenario: 'memory',
    args: [jobs(10_000)],
    figure: 'bytes',
    goal: '< 1',
  },
]

async function measure(scenario: string, args: readonly string[]): Promise<Figures> {
  const file = fileURLToPath(new URL(`./scenarios/${scenario}.ts`, import.meta.url))
  const { stdout } = await execute(process.execPath, ['--import', 'tsx', file, ...args])
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Figures
}

const median = (numbers: readonly number[]) =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN
const signed = (value: number) => (value < 0 ? '' : '+') + value.toFixed(2)
const show = (value: number) => (value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2))

async function runRow(row: Row, url: string) {
  const samples = new Map<string, Figures[]>(row.kinds.map((kind) => [kind, []]))
  for (let round = 0; round < rounds; round++) {
    for (const kind of row.kinds) samples.get(kind)?.push(await measure(row.scenario, [kind, ...row.args, url]))
  }
  const figures = (kind: string, figure: string) =>
    (samples.get(kind) ?? []).map((sample) => sample[figure] ?? Number.NaN)
  const beside = (other: string, compare: (own: number, its: number) => number) =>
    figures('drover', row.figure).map((own, round) => compare(own, figures(other, row.figure)[round] ?? Number.NaN))
  const ratios = (other: string) => beside(other, (own, its) => own / its)
  return {
    name: row.name,
    goal: row.goal,
    bare: median(figures('bare', row.figure)),
    drover: median(figures('drover', row.figure)),
    ratio: median(ratios('bare')),
    ...(row.isDifference && { difference: median(beside('bare', (own, its) => own - its)) }),
    ...(row.kinds.includes('by-hand') && {
      byHand: median(figures('by-hand', row.figure)),
      ratioToByHand: median(ratios('by-hand')),
    }),
    cpu: Object.fromEntries(
      row.kinds.map((kind) => [
        kind,
        { nodeMicros: median(figures(kind, 'nodeMicros')), redisMicros: median(figures(kind, 'redisMicros')) },
      ]),
    ),
    samples: Object.fromEntries(samples),
  }
}

const dir = await mkdtemp(join(tmpdir(), 'drover-bench-'))
const redis = await startEmbeddedRedis({ dir })
const machine = `${cpus().length} x ${cpus()[0]?.model.trim()}, Node ${process.version}, Redis ${redis.version}, append-only everysec`
console.log(
  `${machine}; ${rounds} rounds, medians; Node and Redis columns: microseconds of CPU per job, bare -> drover\n`,
)
console.log('row                          bare     drover    ratio   goal      by hand  ratio   Node         Redis')
const results: Awaited<ReturnType<typeof runRow>>[] = []
try {
  for (const row of ROWS) {
    if (values.only && !row.name.includes(values.only)) continue
    const result = await runRow(row, redis.url)
    results.push(result)
    const { bare, drover } = result.cpu
    const cpu = (figure: 'nodeMicros' | 'redisMicros') =>
      Number.isNaN(bare?.[figure]) ? '' : `${bare?.[figure].toFixed(0)} -> ${drover?.[figure].toFixed(0)}`
    const byHand = 'byHand' in result ? [show(result.byHand ?? 0), (result.ratioToByHand ?? 0).toFixed(2)] : ['', '']
    const compared = 'difference' in result ? signed(result.difference ?? 0) : result.ratio.toFixed(2)
    console.log(
      `${result.name.padEnd(25)} ${show(result.bare).padStart(8)} ${show(result.drover).padStart(9)} ${compared.padStart(7)}` +
        `   ${result.goal.padEnd(7)} ${byHand[0]?.padStart(9)} ${byHand[1]?.padStart(6)}   ${cpu('nodeMicros').padEnd(12)} ${cpu('redisMicros')}`,
    )
  }
  const dashboard = await runDashboardRows(redis.url, values.only, scale, rounds)
  const folder = fileURLToPath(new URL('./results/', import.meta.url))
  await mkdir(folder, { recursive: true })
  const file = join(folder, `${new Date().toISOString().replace(/[:.]/g, '-')}.json`)
  await writeFile(file, JSON.stringify({ machine, rounds, scale, results, dashboard }, null, 2))
  console.log(`\nwritten to ${file}`)
} finally {
  await redis.close()
  await rm(dir, { recursive: true, force: true })
}

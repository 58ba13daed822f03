// Compiled by `tsc -p tsconfig.json`, never run: a line after `@ts-expect-error` that compiles is an error, and so is
// an `Equal` that does not hold.
import { z } from 'zod'
import {
  type AnyJobContract,
  type Duration,
  defineJob,
  type HandlerInputOf,
  type HandlerResultOf,
  type InputOf,
  isJobContract,
  type JsonValue,
  type parseInput,
  type ResultOf,
  type StandardSchemaV1,
} from '../../src/job/index.js'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const holds = <_Fact extends true>(): void => undefined

const resize = defineJob({
  name: 'image.resize',
  queue: 'media',
  input: z.object({
    url: z.string(),
    width: z.number().default(800),
    tags: z.string().transform((tags) => tags.split(',')),
  }),
  output: z.object({ bytes: z.string().transform(Number) }),
  attempts: 5,
  backoff: { type: 'exponential', delay: '2s', jitter: 0.5 },
  timeout: '30s',
  keepResult: 86_400_000,
})

// What enqueue takes and what the handler gets differ by defaults and transforms.
holds<Equal<InputOf<typeof resize>, { url: string; tags: string; width?: number | undefined }>>()
holds<Equal<HandlerInputOf<typeof resize>, { url: string; width: number; tags: string[] }>>()
holds<Equal<HandlerResultOf<typeof resize>, { bytes: string }>>()
holds<Equal<ResultOf<typeof resize>, { bytes: number }>>()
holds<Equal<typeof resize.name, 'image.resize'>>()

// A wrong input is a compile error.
const enqueue = <Contract extends AnyJobContract>(_contract: Contract, _input: InputOf<Contract>): void => undefined
enqueue(resize, { url: 'a', tags: 'x,y' })
// @ts-expect-error a property is missing
enqueue(resize, { url: 'a' })
// @ts-expect-error a property has the wrong type
enqueue(resize, { url: 5, tags: 'x' })
// @ts-expect-error the handler's type is not what enqueue takes
enqueue(resize, { url: 'a', tags: ['x'] })
// @ts-expect-error a property is unknown
enqueue(resize, { url: 'a', tags: 'x', colour: 'red' })

// A wrong result is a compile error, and so is using a wrong property of the input.
type HandlerOf<Contract extends AnyJobContract> = (
  input: HandlerInputOf<Contract>,
) => HandlerResultOf<Contract> | Promise<HandlerResultOf<Contract>>
const handle = <Contract extends AnyJobContract>(_contract: Contract, _handler: HandlerOf<Contract>): void => undefined
handle(resize, async (input) => ({ bytes: input.tags.join('') + input.width.toFixed() }))
// @ts-expect-error the result has the wrong type
handle(resize, async () => ({ bytes: 12 }))
// @ts-expect-error the result is missing
handle(resize, async () => undefined)
// @ts-expect-error the input has no such property
handle(resize, async (input) => ({ bytes: input.colour }))

// Without an output schema a handler may return anything, and JSON is read back.
const note = defineJob({ name: 'note', queue: 'media', input: z.string() })
holds<Equal<typeof note.output, undefined>>()
holds<Equal<HandlerResultOf<typeof note>, unknown>>()
holds<Equal<ResultOf<typeof note>, JsonValue>>()
handle(note, () => undefined)
enqueue(note, 'text')
// @ts-expect-error the whole input has the wrong type
enqueue(note, 5)

// A schema written by hand infers alike.
const byHand: StandardSchemaV1<{ id: string }, { id: number }> = {
  '~standard': {
    version: 1,
    vendor: 'by-hand',
    validate: (value) => ({ value: { id: Number((value as { id: string }).id) } }),
  },
}
const sum = defineJob({ name: 'sum', queue: 'maths', input: byHand, output: byHand })
holds<Equal<InputOf<typeof sum>, { id: string }>>()
holds<Equal<HandlerInputOf<typeof sum>, { id: number }>>()
holds<Equal<HandlerResultOf<typeof sum>, { id: string }>>()
holds<Equal<ResultOf<typeof sum>, { id: number }>>()
holds<Equal<Awaited<ReturnType<typeof parseInput<typeof sum>>>, { id: number }>>()

// Contracts of different jobs go into one list, and what a contract says cannot be changed.
const contracts: AnyJobContract[] = [resize, note, sum]
for (const contract of contracts) holds<Equal<InputOf<typeof contract>, unknown>>()
// @ts-expect-error contracts are read-only
resize.attempts = 9
// @ts-expect-error nested options are read-only
resize.backoff.delayMs = 9
const loaded: unknown = undefined
if (isJobContract(loaded)) holds<Equal<typeof loaded, AnyJobContract>>()

// Options are checked by the compiler as far as it can.
const valid = { name: 'a', queue: 'q', input: z.string() }
defineJob({ ...valid, timeout: '1.5h', backoff: { type: 'fixed', delay: 0 } })
// @ts-expect-error an unknown option
defineJob({ ...valid, atempts: 3 })
// @ts-expect-error an unknown option inside backoff
defineJob({ ...valid, backoff: { jiter: 1 } })
// @ts-expect-error an unknown kind of backoff
defineJob({ ...valid, backoff: { type: 'linear' } })
// @ts-expect-error a duration without a unit
defineJob({ ...valid, timeout: '5' })
// @ts-expect-error a unit that does not exist
defineJob({ ...valid, timeout: '5 minutes' })
// @ts-expect-error a schema of no library
defineJob({ ...valid, input: { url: 'string' } })
// @ts-expect-error the input schema is required
defineJob({ name: 'a', queue: 'q' })

const durations: Duration[] = [5, '500ms', '2s', '5m', '24h', '7d']
holds<Equal<(typeof durations)[number], Duration>>()

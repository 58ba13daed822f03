// The job files of the projects that the process tests of the command work in.

/** Contracts alone. */
export const CONTRACTS = `
import { defineJob } from 'drover'
import { z } from 'zod'

export const greet = defineJob({
  name: 'greet',
  queue: 'greetings',
  input: z.object({ name: z.string().min(1) }),
  output: z.object({ text: z.string() }),
})
export const sleep = defineJob({
  name: 'sleep',
  queue: 'naps',
  input: z.object({ file: z.string() }),
  attempts: 2,
})
export const shout = defineJob({ name: 'shout', queue: 'greetings', input: z.string(), cache: { ttl: '1h', key: (text) => text } })
export const fail = defineJob({ name: 'fail', queue: 'greetings', input: z.object({ why: z.string() }), attempts: 1 })
`

/** Handlers for them. \`sleep\` notes its start in a file and ends when the file \`<file>.wake\` is there. */
export const HANDLERS = `
import { appendFileSync, existsSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { handle, PermanentError } from 'drover/worker'
import { fail, greet, shout, sleep } from '../contracts.js'

export default handle(greet, async ({ name }, ctx) => {
  ctx.log.info({ name }, 'greeting')
  ctx.counter('greeted').add()
  return { text: \`Hello, \${name}!\` }
})
export const onSleep = handle(sleep, async ({ file }, ctx) => {
  appendFileSync(file, \`attempt \${ctx.attempt}\\n\`)
  while (!existsSync(\`\${file}.wake\`)) await setTimeout(10, undefined, { signal: ctx.signal })
  ctx.counter('naps').add()
  return 'awake'
})
export const onShout = handle(shout, (text) => text.toUpperCase())
export const onFail = handle(fail, async ({ why }) => {
  throw new PermanentError(why)
})
`

export const GREETING_FILES = { 'contracts.ts': CONTRACTS, 'jobs/handlers.ts': HANDLERS } as const

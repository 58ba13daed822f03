// The HTTP API on real Redis: errors by cause, replays in stages, discards and their undo.
import { expect, it, vi } from 'vitest'
import { createWorker, handle } from '../../src/worker/index.js'
import { greet, type TestApi, useHttpApis } from '../support/http-api.js'
import { PATIENCE } from '../support/until.js'
import { collectLog } from '../support/worker.js'

const apis = useHttpApis()
const QUEUE = '/v1/queues/greetings'
const post = (api: TestApi, path: string, body: unknown) => api.post(`${QUEUE}${path}`, body as never)

it('errors are listed, run again, discarded and brought back; what is wrong is a problem', async () => {
  const api = await apis.start()
  let isMended = false
  await using _worker = await createWorker({
    redis: apis.redis().url,
    handlers: [
      handle(greet, ({ name }) => {
        if (!isMended) throw new Error(`no greeting for ${name} 17`)
        return { text: 'x' }
      }),
    ],
    logger: collectLog().logger,
    shutdownTimeout: 0,
    allowVolatile: true,
  })
  for (const name of ['Ada', 'Ada']) {
    await api.post('/v1/jobs', { job: 'greet', input: { name }, options: { attempts: 1 } }, { prefer: 'wait=50' })
  }
  const page = (await api.ask('/v1/errors')).json<{ errors: { id: string }[]; next: null }>()
  expect(page).toMatchObject({ errors: [{ message: 'no greeting for Ada <number>', count: 2, failed: 2 }], next: null })
  const group = page.errors[0]?.id ?? ''
  expect((await api.ask('/v1/errors?queue=greetings&job=other')).json()).toEqual({ errors: [], next: null })
  const details = (await api.ask(`${QUEUE}/errors/${group}`)).json()
  expect(details).toMatchObject({
    common: [{ path: '$.name', value: '"Ada"', count: 2, of: 2 }],
    samples: [{ input: { name: 'Ada' }, attempts: [{ attempt: 1 }] }, {}],
  })

  expect((await post(api, '/replays', { group, dryRun: true })).json()).toMatchObject({ total: 2, stages: [1, 1] })
  const discarded = await post(api, '/discards', { group, undo: '1h' })
  expect(discarded.status).toBe(201)
  const { id, count } = discarded.json<{ id: string; count: number }>()
  expect(count).toBe(2)
  expect((await api.ask(`${QUEUE}/discards`)).json()).toMatchObject({ discards: [{ id, restored: 0 }] })
  expect((await post(api, `/discards/${id}/undo`, {})).json()).toMatchObject({ restored: 2, taken: 0 })

  isMended = true
  const started = await post(api, '/replays', { group, stages: ['rest'] })
  expect(started.status).toBe(202)
  const replay = started.json<{ id: string }>().id
  await vi.waitFor(async () => {
    const record = (await api.ask(`${QUEUE}/replays/${replay}`)).json()
    expect(record).toMatchObject({ state: 'done', retried: 2, failed: 0, by: expect.stringContaining('API token') })
  }, PATIENCE)
  expect((await api.ask(`${QUEUE}/replays`)).json()).toMatchObject({ replays: [{ id: replay }] })
  expect((await post(api, `/replays/${replay}/stop`, {})).json()).toMatchObject({ state: 'done' })

  const refused: [string, unknown, number, string][] = [
    ['/replays', { group }, 409, 'NO_FAILED_JOBS'],
    ['/replays', {}, 422, 'INVALID_OPTION'],
    ['/replays', { groups: group }, 422, 'UNKNOWN_OPTION'],
    ['/replays', { ids: ['nobody'] }, 404, 'JOB_NOT_FOUND'],
    ['/replays', { group: 7 }, 422, 'INVALID_OPTION'],
    ['/replays', { group, stages: 'all' }, 422, 'INVALID_OPTION'],
    ['/discards', { all: true, dryRun: 'no' }, 422, 'INVALID_OPTION'],
    ['/discards', { group: '0123456789abcdef' }, 404, 'ERROR_GROUP_NOT_FOUND'],
    ['/replays/x/stop', {}, 404, 'REPLAY_NOT_FOUND'],
    ['/discards/x/undo', {}, 404, 'DISCARD_NOT_FOUND'],
  ]
  for (const [path, body, status, code] of refused) {
    const answer = await post(api, path, body)
    expect([path, body, answer.status, answer.json<{ code: string }>().code]).toEqual([path, body, status, code])
  }
  expect((await api.ask(`${QUEUE}/errors/x`)).status).toBe(404)
  expect((await api.ask('/v1/errors?cursor=x')).status).toBe(422)
  expect((await api.ask('/v1/errors?queue=nowhere')).status).toBe(404)
})

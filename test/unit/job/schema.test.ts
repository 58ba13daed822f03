import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { checkSchema, isStandardSchema, type StandardSchemaV1 } from '../../../src/job/index.js'

function schemaThat(validate: (value: unknown) => unknown): StandardSchemaV1 {
  return { '~standard': { version: 1, vendor: 'by-hand', validate: validate as never } }
}

describe('checkSchema', () => {
  it('answers at once for a schema that answers at once, with the parsed value', () => {
    const schema = z.object({ width: z.number().default(800), url: z.string().transform((url) => url.length) })
    expect(checkSchema(schema, { url: 'abc' })).toEqual({ ok: true, value: { width: 800, url: 3 } })
  })

  it('answers with a promise for a schema that needs time', async () => {
    const schema = z.object({ id: z.string().refine(async (id) => id !== 'taken', 'is taken') })
    const outcome = checkSchema(schema, { id: 'taken' })
    expect(outcome).toBeInstanceOf(Promise)
    expect(await outcome).toMatchObject({ ok: false, issues: [{ path: '$.id', message: 'is taken' }] })
  })

  it('takes a thenable that is no promise for a promise', async () => {
    // biome-ignore lint/suspicious/noThenProperty: a foreign promise is what this fact is about
    const schema = schemaThat(() => ({ then: (done: (answer: unknown) => void) => done({ value: 1 }) }))
    const outcome = checkSchema(schema, 0)
    expect(outcome).toBeInstanceOf(Promise)
    expect(await outcome).toEqual({ ok: true, value: 1 })
  })

  it('names the path of each issue', () => {
    const schema = z.object({ items: z.array(z.object({ 'unit price': z.number() })) })
    expect(checkSchema(schema, { items: [{ 'unit price': 1 }, { 'unit price': 'x' }] })).toMatchObject({
      ok: false,
      issueCount: 1,
      issues: [{ path: '$.items[1]["unit price"]' }],
    })
    expect(checkSchema(schema, 5)).toMatchObject({ ok: false, issues: [{ path: '$' }] })
  })

  it('reads path segments that are objects, as the specification allows', () => {
    const schema = schemaThat(() => ({ issues: [{ message: 'no', path: [{ key: 'a' }, { key: 0 }] }] }))
    expect(checkSchema(schema, 0)).toMatchObject({ issues: [{ path: '$.a[0]', message: 'no' }] })
  })

  it('keeps the first 20 issues and counts all', () => {
    const outcome = checkSchema(z.array(z.number()), Array(1000).fill('x'))
    expect(outcome).toMatchObject({ ok: false, issueCount: 1000 })
    expect(outcome).toHaveProperty('issues.length', 20)
  })

  it('turns a validator that throws or rejects into an issue that does not repeat the value', async () => {
    const cause = new TypeError('cannot read tr0ub4dor')
    const outcomes = [
      checkSchema(
        schemaThat(() => {
          throw cause
        }),
        'tr0ub4dor',
      ),
      await checkSchema(
        schemaThat(() => Promise.reject(cause)),
        'tr0ub4dor',
      ),
    ]
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ ok: false, cause, issues: [{ path: '$' }] })
      expect(JSON.stringify(outcome)).toContain('threw TypeError')
      expect(outcome).not.toMatchObject({ issues: [{ message: expect.stringContaining('tr0ub4dor') }] })
    }
  })

  it.each([undefined, null, 5, { issues: 'no' }, { issues: [] }, { issues: [null] }, { issues: [{ path: [null] }] }])(
    'turns the broken answer %j into an issue',
    async (answer) => {
      expect(
        checkSchema(
          schemaThat(() => answer),
          0,
        ),
      ).toMatchObject({ ok: false, issues: [{ path: '$' }] })
      expect(
        await checkSchema(
          schemaThat(async () => answer),
          0,
        ),
      ).toMatchObject({ ok: false, issues: [{ path: '$' }] })
    },
  )
})

describe('isStandardSchema', () => {
  it('knows schemas that are objects or functions', () => {
    const callable = Object.assign(
      () => true,
      schemaThat((value) => ({ value })),
    )
    expect([z.string(), callable].map(isStandardSchema)).toEqual([true, true])
  })

  it('refuses everything else', () => {
    const others = [
      undefined,
      null,
      'x',
      {},
      { '~standard': 1 },
      { '~standard': { version: 2, validate: () => ({ value: 1 }) } },
      { '~standard': { version: 1 } },
    ]
    expect(others.map(isStandardSchema)).toEqual(others.map(() => false))
  })
})

// Fields from the JSON Schemas of contracts, and values from fields.
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { allFields, jsonField, readFields } from '../../../../src/dashboard/add/read-fields.js'
import { readForm } from '../../../../src/dashboard/add/read-form.js'
import { type JsonSchema, toJsonSchema } from '../../../../src/job/json-schema/index.js'

const order = z.object({
  to: z.email(),
  size: z.object({ width: z.int().min(1).max(4_000), height: z.int().optional() }).optional(),
  format: z.enum(['png', 'webp']).default('png'),
  grey: z.boolean().optional(),
  tags: z.array(z.string()).optional(),
  quality: z.number().nullable(),
  steps: z.array(z.object({ op: z.string() })).optional(),
  'odd/key~': z.string().optional(),
})
const fieldsOf = (schema: z.ZodType) => readFields(toJsonSchema(schema, 'input'))
const kinds = (schema: z.ZodType) =>
  Object.fromEntries(allFields(fieldsOf(schema)).map(({ path, kind }) => [path, kind]))
const write = (schema: z.ZodType, body: Record<string, string>) => readForm(fieldsOf(schema), body)

describe('the fields of a schema', () => {
  it('are of the kind of each part, nested as it is; what has no kind is JSON', () => {
    expect(kinds(order)).toEqual({
      $: 'object',
      '$.to': 'text',
      '$.size': 'object',
      '$.size.width': 'number',
      '$.size.height': 'number',
      '$.format': 'choice',
      '$.grey': 'boolean',
      '$.tags': 'lines',
      '$.quality': 'number',
      '$.steps': 'json',
      '$["odd/key~"]': 'text',
    })
    const [, to, , width] = allFields(fieldsOf(order))
    expect([to?.rule, width?.rule]).toEqual(['text, email', 'whole number, 1 to 4000'])
  })

  it.each<[string, JsonSchema]>([
    ['nothing known', {}],
    ['a text alone', { type: 'string' }],
    ['a record', { type: 'object', additionalProperties: { type: 'number' } }],
    [
      'too many properties',
      { type: 'object', properties: Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`p${n}`, {}])) },
    ],
  ])('are one for JSON, or one for the value, where the input is %s', (_what, schema) => {
    expect(readFields(schema).fields).toEqual([])
  })

  it('leave out what a schema has that no JSON can hold', () => {
    const properties = {
      only: { type: 'integer', const: 1n },
      given: { type: 'integer', default: 2n },
      some: { enum: [3n, 'x'] },
      late: { type: 'integer', minimum: 4n, maximum: 9 },
    }
    const given = { type: 'object', properties }
    const schema = {
      '~standard': { version: 1, vendor: 'other', validate: () => ({}), jsonSchema: { input: () => given } },
    }
    const found = toJsonSchema(schema as never, 'input')
    expect(JSON.stringify(found)).toContain('"late":{"type":"integer","maximum":9}')
    const [, ...fields] = allFields(readFields(found))
    expect(fields.map(({ key, kind, byDefault }) => [key, kind, byDefault])).toEqual([
      ['only', 'number', undefined],
      ['given', 'number', undefined],
      ['some', 'json', undefined],
      ['late', 'number', undefined],
    ])
    expect(kinds(z.object({ n: z.literal(5n).default(5n) }))).toBeDefined()
  })

  it('end for schemas that refer to themselves', () => {
    const tree: JsonSchema = {
      type: 'object',
      properties: { left: { $ref: '#' }, right: { $ref: '#' }, loop: { $ref: '#/$defs/loop' }, gone: { $ref: '#/no' } },
      $defs: { loop: { $ref: '#/$defs/loop' } },
    }
    expect(allFields(readFields(tree)).length).toBeLessThan(110)
  })
})

describe('the value of a form', () => {
  it('has what was given, as the kinds say, and leaves out what was not', () => {
    const body = {
      'in/to': 'ann@example.com',
      'in/size/width': ' 800 ',
      'in/size/height': '',
      'in/format': '"webp"',
      'in/grey': 'false',
      'in/tags': 'a\r\n\r\nb',
      'in/quality': '',
      'in/steps': '[{"op":"crop"}]',
      'in/odd~1key~0': 'x',
      'in/nobody': 'asked',
    }
    expect(write(order, body).value).toEqual({
      to: 'ann@example.com',
      size: { width: 800 },
      format: 'webp',
      grey: false,
      tags: ['a', 'b'],
      quality: null,
      steps: [{ op: 'crop' }],
      'odd/key~': 'x',
    })
    expect(write(order, {}).value).toEqual({ to: '', quality: null })
  })

  it('leaves out, or has null for, an object of which nothing was given, though parts of it are needed', () => {
    const size = z.object({ unit: z.string(), sides: z.array(z.number()), inner: z.object({ name: z.string() }) })
    const schema = z.object({ size: size.optional(), other: size.nullable() })
    expect(write(schema, {}).value).toEqual({ other: null })
    expect(write(schema, { 'in/size/inner/name': 'x' }).value).toEqual({
      size: { unit: '', sides: [], inner: { name: 'x' } },
      other: null,
    })
  })

  it.each(['abc', '0x10', '1e400', '9007199254740993', '1_000', 'Infinity'])(
    'keeps %s as text: the contract refuses it',
    (text) => {
      expect(write(z.object({ n: z.number() }), { 'in/n': text }).value).toEqual({ n: text })
    },
  )

  it('says beside the field what is no JSON', () => {
    const { complaints } = write(order, { 'in/steps': '[{' })
    expect([...complaints.keys()]).toEqual(['$.steps'])
    expect(readForm(jsonField(), { in: '{"a":1}' }).value).toEqual({ a: 1 })
  })

  it('of a name that is special to JavaScript is a value like others', () => {
    const schema: JsonSchema = {
      type: 'object',
      properties: JSON.parse('{"__proto__":{"type":"string"},"constructor":{"type":"string"}}'),
    }
    const { value } = readForm(readFields(schema), { 'in/__proto__': 'a', 'in/constructor': 'b' })
    expect(JSON.stringify(value)).toBe('{"__proto__":"a","constructor":"b"}')
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
  })
})

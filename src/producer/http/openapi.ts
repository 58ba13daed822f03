// The OpenAPI 3.1 document, made from the table of routes and the contracts' own schemas, as far as the token that asks
// for it may see them.
import { readFileSync } from 'node:fs'
import type { AnyJobContract } from '../../job/index.js'
import { type JsonSchema, toJsonSchema } from '../../job/json-schema/index.js'
import { type Access, allowsJob } from '../../ledger/index.js'
import { PARAMETERS, pathParameters } from './openapi-parameters.js'
import { SCHEMAS } from './openapi-schemas.js'
import { JSON_TYPE, NDJSON_TYPES } from './read-body.js'
import type { AnswerName, Route } from './route.js'
import { ROUTES } from './routes.js'

const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  readonly version: string
}
const NDJSON_TYPE = NDJSON_TYPES[0] as string
const EVENT_TYPE = 'text/event-stream'
const ref = (name: string): JsonSchema => ({ $ref: `#/components/schemas/${name}` })

export function createDocument(contracts: readonly AnyJobContract[], access: Access): object {
  const seen = contracts.filter(({ name, queue }) => allowsJob(access, name, queue))
  return {
    openapi: '3.1.0',
    info: { title: 'Drover', version, description: 'Enqueue background jobs, and read how they ended.' },
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    // Relative to where this document was found: whatever stands in front of the API, its paths begin beside it.
    servers: [{ url: '.' }],
    security: [{ token: [] }],
    paths: pathsOf(ROUTES),
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      schemas: { ...SCHEMAS, ...requestSchemas(seen) },
    },
  }
}

function pathsOf(routes: readonly Route[]): Record<string, Record<string, object>> {
  const paths: Record<string, Record<string, object>> = {}
  for (const route of routes) {
    const path = `/v1${route.path.replace(/:(\w+)/g, '{$1}')}`
    paths[path] = { ...paths[path], [route.method]: operationOf(route) }
  }
  return paths
}

function operationOf({ operationId, summary, scope, path, parameters, body, answers }: Route): object {
  const requestType = body === 'BulkRequest' ? NDJSON_TYPE : JSON_TYPE
  return {
    operationId,
    summary,
    description: `Needs a token with the scope \`${scope}\`.`,
    parameters: [...pathParameters(path), ...parameters.map((name) => PARAMETERS[name])],
    ...(body === undefined
      ? {}
      : { requestBody: { required: body !== 'WorkerOrder', content: { [requestType]: { schema: ref(body) } } } }),
    responses: {
      ...Object.fromEntries(Object.entries(answers).map(([status, name]) => [status, answerOf(name)])),
      default: {
        description: 'A problem (RFC 9457); `code` is stable.',
        content: { 'application/problem+json': { schema: ref('Problem') } },
      },
    },
  }
}

function answerOf(name: AnswerName): object {
  if (name === 'Nothing') return { description: 'Done.' }
  if (name === 'Event')
    return { description: 'Server-sent events.', content: { [EVENT_TYPE]: { schema: { type: 'string' } } } }
  const type = name === 'BulkLine' ? NDJSON_TYPE : JSON_TYPE
  return { description: `\`${name}\``, content: { [type]: { schema: ref(name) } } }
}

/** One schema per job for what enqueues it, and its input and result under names of their own. */
function requestSchemas(contracts: readonly AnyJobContract[]): Record<string, JsonSchema> {
  const schemas: Record<string, JsonSchema> = {}
  const requests: JsonSchema[] = []
  for (const contract of contracts) {
    const { name, queue } = contract
    schemas[`input.${queue}.${name}`] = asPart(toJsonSchema(contract.input, 'input'), `input/${queue}/${name}`)
    schemas[`result.${queue}.${name}`] = asPart(toJsonSchema(contract.output, 'output'), `result/${queue}/${name}`)
    requests.push({
      title: name,
      type: 'object',
      properties: {
        job: { const: name },
        queue: { const: queue },
        input: ref(`input.${queue}.${name}`),
        options: ref('EnqueueOptions'),
      },
      required: ['job', 'input'],
      additionalProperties: false,
    })
  }
  // Without a job that the token is for, nothing fits.
  const request = requests.length === 0 ? { not: {} } : { oneOf: requests }
  return { ...schemas, EnqueueRequest: request, BulkRequest: ref('EnqueueRequest') }
}

// Its own references (`#/$defs/…`) are meant from its own root.
function asPart(schema: JsonSchema, id: string): JsonSchema {
  return JSON.stringify(schema).includes('"$ref"') ? { $id: `urn:drover:${id}`, ...schema } : schema
}

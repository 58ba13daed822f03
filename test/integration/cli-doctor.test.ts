import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { findClockSkew } from '../../src/cli/doctor/server-findings.js'
import { connectOnce, createReaderClient, parseRedisUrl, type RedisClient } from '../../src/redis/index.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'

let redis: TestRedis
let client: RedisClient

beforeAll(async () => {
  redis = await startTestRedis()
  client = createReaderClient(parseRedisUrl(redis.url))
  await connectOnce(client, 10_000, 'the test')
})
afterEach(() => {
  vi.restoreAllMocks()
})
afterAll(async () => {
  client.disconnect()
  await redis.close()
})

describe('the clock finding of drover doctor', () => {
  it.each([
    [0, 'ok', / ms (behind|ahead of)/],
    [-600, 'ok', /\d{3} ms behind/],
    [5_000, 'warning', /[45]\d{3} ms ahead of/],
    [-5_000, 'warning', /[45]\d{3} ms behind/],
    [120_000, 'error', /1[12]\d{4} ms ahead of/],
  ])('with this machine %d ms ahead is of level %s', async (aheadMs, level, evidence) => {
    const now = Date.now
    vi.spyOn(Date, 'now').mockImplementation(() => now() + aheadMs)
    const finding = await findClockSkew(client)
    expect(finding).toMatchObject({ level, code: 'CLOCK_SKEW', evidence: expect.stringMatching(evidence) })
    expect(finding.remedy === undefined).toBe(level === 'ok')
  })
})

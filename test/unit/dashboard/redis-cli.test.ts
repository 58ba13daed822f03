import { describe, expect, it } from 'vitest'
import { redisCliGet } from '../../../src/dashboard/redis-cli.js'
import { parseRedisUrl } from '../../../src/redis/index.js'

describe('redisCliGet', () => {
  it.each([
    ['redis://127.0.0.1', "redis-cli GET '{drover:q}:counter:n'"],
    ['redis://localhost:6380/2', "redis-cli -p 6380 -n 2 GET '{drover:q}:counter:n'"],
    ['rediss://ann:secret@cache.example', "redis-cli -h cache.example --tls GET '{drover:q}:counter:n'"],
    ['redis+unix:///run/redis.sock?db=1', "redis-cli -s /run/redis.sock -n 1 GET '{drover:q}:counter:n'"],
    ['redis+cluster://a:7000,b:7001', "redis-cli -c -h a -p 7000 GET '{drover:q}:counter:n'"],
    ['redis+sentinel://:secret@a,b/main/3', "redis-cli -n 3 GET '{drover:q}:counter:n'"],
  ])('reaches %s', (url, command) => {
    expect(redisCliGet(parseRedisUrl(url), '{drover:q}:counter:n')).toBe(command)
  })

  it('quotes a key so that a shell runs nothing of it', () => {
    expect(redisCliGet(parseRedisUrl('redis://localhost'), "a'; rm -rf /")).toBe("redis-cli GET 'a'\\''; rm -rf /'")
  })
})

--[[
  Pauses a schedule, or resumes it at its next tick. It must be atomic with what the set says, as a worker may fire it.

  KEYS[1]  schedules, sorted set: name by the time of its next tick
  KEYS[2]  the schedule, hash
  ARGV[1]  its name
  ARGV[2]  empty to pause; else the time of the next tick, ms since 1970
  Returns  1 when it is now as asked for, 0 when there is no such schedule
]]
if redis.call('EXISTS', KEYS[2]) == 0 then
  return 0
end
if ARGV[2] == '' then
  redis.call('HSET', KEYS[2], 'paused', '1')
  redis.call('ZADD', KEYS[1], '+inf', ARGV[1])
elseif redis.call('HDEL', KEYS[2], 'paused') == 1 then
  redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
end
return 1

--[[
  Takes failed jobs out of their queue and keeps them aside, whole, until they cannot be brought back any more. It must be
  atomic: a job is either failed or kept aside.

  KEYS[1]  record of the discard; KEYS[2] its jobs, by when they failed
  ARGV[1]  base of our keys; ARGV[2] base of BullMQ's keys
  ARGV[3]  how long they are kept from now on, ms
  ARGV[4]  only jobs that failed up to this time, ms
  ARGV[5]  group that the jobs must be of, or ''; ARGV[6] their name, or ''
  ARGV[7..] ids
  Returns  how many were taken out; -1 when there is no such record
]]
local base, bull, keepMs, untilMs, group, name = unpack(ARGV, 1, 6)
if redis.call('EXISTS', KEYS[1]) == 0 then
  return -1
end
local count = 0
for i = 7, #ARGV do
  local id = ARGV[i]
  local jobKey, aside = bull .. id, KEYS[1] .. ':job:' .. id
  local fields = redis.call('HMGET', jobKey, 'name', 'drover:group')
  local failedAt = redis.call('ZSCORE', bull .. 'failed', id)
  if fields[1] and failedAt and tonumber(failedAt) <= tonumber(untilMs) and (group == '' or fields[2] == group)
    and (name == '' or fields[1] == name) then
    for _, part in ipairs({ '', ':logs', ':dependencies', ':processed', ':failed', ':unsuccessful' }) do
      if redis.call('EXISTS', jobKey .. part) == 1 then
        redis.call('RENAME', jobKey .. part, aside .. part)
        redis.call('PEXPIRE', aside .. part, keepMs)
      end
    end
    redis.call('ZREM', bull .. 'failed', id)
    redis.call('ZADD', KEYS[2], failedAt, id)
    if fields[2] then
      redis.call('ZREM', base .. 'error:' .. fields[2] .. ':jobs', id)
    end
    count = count + 1
  end
end
if count > 0 then
  redis.call('HINCRBY', KEYS[1], 'count', count)
  redis.call('PEXPIRE', KEYS[2], keepMs)
end
redis.call('PEXPIRE', KEYS[1], keepMs)
return count

--[[
  Brings discarded jobs back as they were: failed, with their input, error, log and attempts, in the group of their error.
  One whose id has been enqueued again stays aside. It must be atomic: a job is either kept aside or failed.

  KEYS[1]  record of the discard; KEYS[2] its jobs, by when they failed
  ARGV[1]  base of our keys; ARGV[2] base of BullMQ's keys
  ARGV[3]  how many of its jobs to pass over, which were looked at before; ARGV[4] most jobs that are looked at
  Returns  how many were looked at, brought back, and left aside as their id is taken; -1 when there is no such record
]]
local base, bull, skip, most = unpack(ARGV)
if redis.call('EXISTS', KEYS[1]) == 0 then
  return { -1, 0, 0 }
end
local members = redis.call('ZRANGE', KEYS[2], skip, skip + most - 1, 'WITHSCORES')
local restored, taken = 0, 0
for i = 1, #members, 2 do
  local id, failedAt = members[i], members[i + 1]
  local jobKey, aside = bull .. id, KEYS[1] .. ':job:' .. id
  if redis.call('EXISTS', jobKey) == 1 then
    taken = taken + 1
  else
    if redis.call('EXISTS', aside) == 1 then
      for _, part in ipairs({ '', ':logs', ':dependencies', ':processed', ':failed', ':unsuccessful' }) do
        if redis.call('EXISTS', aside .. part) == 1 then
          redis.call('RENAME', aside .. part, jobKey .. part)
          redis.call('PERSIST', jobKey .. part)
        end
      end
      redis.call('ZADD', bull .. 'failed', failedAt, id)
      local group = redis.call('HGET', jobKey, 'drover:group')
      if group and redis.call('EXISTS', base .. 'error:' .. group) == 1 then
        redis.call('ZADD', base .. 'error:' .. group .. ':jobs', failedAt, id)
        redis.call('EXPIRE', base .. 'error:' .. group .. ':jobs', 2592000)
      end
      restored = restored + 1
    end
    redis.call('ZREM', KEYS[2], id)
  end
end
if restored > 0 then
  redis.call('HINCRBY', KEYS[1], 'restored', restored)
end
return { #members / 2, restored, taken }

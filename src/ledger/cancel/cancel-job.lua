--[[
  Cancels a job. One that does not run fails at once: it is made active for the length of this script, so that the commit
  (commit.lua, embedded) ends it as it ends every job, with its record, counts, batch and message to who waits. One that
  runs is marked with BullMQ's field of failures to come: its worker sees it (extend-locks.lua), and BullMQ starts no
  other run of it. It must be atomic: a worker may take the job at any moment.

  KEYS[1]  the job
  ARGV[1]  attempts made, as they were read for the words below
  ARGV[2]  token of the lock, as in the words
  then     the ARGV of commit.lua for this one job
  Returns  'cancelled', 'marked', 'unknown', 'completed', 'failed', 'scheduled' (BullMQ's next one of a schedule of its
           own), or 'changed': it was run meanwhile, so the words are out of date; nothing was done then
]]
local jobKey, attemptsMade, token = KEYS[1], ARGV[1], ARGV[2]
local words = { unpack(ARGV, 3) }
local bull, id = words[2], string.sub(jobKey, #words[2] + 1)

local function commitAll(KEYS, ARGV)
  --@COMMIT@
end

local function take()
  for _, list in ipairs({ 'delayed', 'prioritized', 'waiting-children' }) do
    if redis.call('ZREM', bull .. list, id) == 1 then
      return true
    end
  end
  return redis.call('LREM', bull .. 'wait', 1, id) == 1 or redis.call('LREM', bull .. 'paused', 1, id) == 1
end

local fields = redis.call('HMGET', jobKey, 'name', 'atm', 'rjk')
if not fields[1] then
  return 'unknown'
end
for _, ended in ipairs({ 'completed', 'failed' }) do
  if redis.call('ZSCORE', bull .. ended, id) then
    return ended
  end
end
if (fields[2] or '0') ~= attemptsMade then
  return 'changed'
end
local nextOfSchedule = fields[3] and redis.call('ZSCORE', bull .. 'repeat', fields[3])
if nextOfSchedule and id == 'repeat:' .. fields[3] .. ':' .. nextOfSchedule then
  return 'scheduled'
end
if not take() then
  if not redis.call('LPOS', bull .. 'active', id) then
    return 'unknown'
  end
  redis.call('HSET', jobKey, 'defa', words[7])
  return 'marked'
end

redis.call('LPUSH', bull .. 'active', id)
redis.call('SET', jobKey .. ':lock', token, 'PX', '10000')
local reply = commitAll({ jobKey }, words)[1]
if type(reply) == 'table' and reply.err then
  return reply
end
-- It was no attempt.
if redis.call('EXISTS', jobKey) == 1 then
  redis.call('HINCRBY', jobKey, 'atm', '-1')
end
return 'cancelled'

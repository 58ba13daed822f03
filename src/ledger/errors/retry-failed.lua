--[[
  Puts failed jobs of one queue back for another run, as a replay asks for. BullMQ's own script (reprocessJob) stands
  unchanged inside `reprocess`. It must be atomic: whether a job is failed, its retry, its mark and the count of the replay
  are one step, so that a replay that is killed or sent again runs no job twice and loses none.

  KEYS[1]  record of the replay
  ARGV[1]  base of our keys; ARGV[2] base of BullMQ's keys
  ARGV[3]  id of the replay
  ARGV[4]  only jobs that failed up to this time, ms: one that fails again is not run again by the same replay
  ARGV[5]  group that the jobs must be of, or ''; ARGV[6] their name, or ''
  ARGV[7]  most jobs that are put back
  ARGV[8]  now, ms
  ARGV[9..] ids
  Returns  the state of the replay and the ids that it has put back, now or when the call was sent before. In any state but
           'running' nothing was done.
]]
local function reprocess(KEYS, ARGV)
  --@REPROCESS_JOB@
end

local base, bull, replay, untilMs, group, name, most, now = unpack(ARGV, 1, 8)
local state, returned = unpack(redis.call('HMGET', KEYS[1], 'state', 'returned'))
if state == 'running' and tonumber(returned or 0) > 0 then
  state = 'returned'
end
if state ~= 'running' then
  return { state or 'unknown' }
end

local function retry(id)
  local jobKey = bull .. id
  local fields = redis.call('HMGET', jobKey, 'name', 'drover:group', 'drover:replay')
  local groupOfJob = fields[2] or ''
  -- This replay has run it before: it is under way, or `-` says that it failed again.
  if fields[3] and string.sub(fields[3], 1, #replay + 1) == replay .. ' ' then
    return string.sub(fields[3], -2) ~= ' -'
  end
  local failedAt = redis.call('ZSCORE', bull .. 'failed', id)
  if not fields[1] or not failedAt or tonumber(failedAt) > tonumber(untilMs) or (group ~= '' and groupOfJob ~= group)
    or (name ~= '' and fields[1] ~= name) then
    return false
  end
  redis.call('HSET', jobKey, 'drover:replay', replay .. ' ' .. groupOfJob)
  redis.call('ZREM', base .. 'error:' .. groupOfJob .. ':jobs', id)
  reprocess({
    jobKey, bull .. 'events', bull .. 'failed', bull .. 'wait', bull .. 'meta', bull .. 'active', bull .. 'marker',
    bull .. 'prioritized', bull .. 'pc',
  }, { id, 'LPUSH', 'failedReason', 'failed', '0', '0' })
  redis.call('HINCRBY', KEYS[1], 'retried', '1')
  return true
end

local ids = {}
for i = 9, #ARGV do
  if #ids < tonumber(most) and retry(ARGV[i]) then
    ids[#ids + 1] = ARGV[i]
  end
end
redis.call('HSET', KEYS[1], 'beatAt', now)
return { state, unpack(ids) }

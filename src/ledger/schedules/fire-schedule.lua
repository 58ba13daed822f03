--[[
  Enqueues the jobs of a schedule's due ticks and moves it on to its next one. Any worker of the queue may try: the first
  that comes with the time that still stands does it, so that each tick gives one job, however many workers there are.

  KEYS[1]  schedules, sorted set: name by the time of its next tick
  KEYS[2]  the schedule, hash
  ARGV[1]  its name
  ARGV[2]  time of the tick that is due, as the caller read it, ms since 1970
  ARGV[3]  time of the next tick, ms since 1970
  ARGV[4]  what to do while the last job is unfinished: allow, skip or queue
  ARGV[5]  base of BullMQ's keys of the queue, "{prefix:queue}:queue:"
  ARGV[6]  id of the last of the jobs below; empty when there are none
  ARGV[7]  ticks that are passed over
  ARGV[8]  SHA-1 of what the schedule did, as the caller read it with the tick
  then, for each job, the number of its words and these words (add-staged-job.lua, from `kind` on)
  Returns  'fired', 'passed' (no job was due), 'skipped' or 'queued' (the last job is unfinished), 'gone' (another worker
           was first, or the schedule was changed); or an error DROVER_SCHEDULE <reason>, and nothing was written
]]
--@ADD_STAGED_JOB@
local schedules, schedule = KEYS[1], KEYS[2]
local name, due, upcoming, overlap, bull, lastId = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]

local score = redis.call('ZSCORE', schedules, name)
if not score or tonumber(score) ~= tonumber(due) then
  return 'gone'
end
-- Changed with its times kept: the next look fires this tick as it is now.
if redis.sha1hex(redis.call('HGET', schedule, 'spec') or '') ~= ARGV[8] then
  return 'gone'
end

local function isUnfinished(id)
  local job = id and bull .. id
  return job and redis.call('EXISTS', job) == 1 and redis.call('HEXISTS', job, 'finishedOn') == 0
end

if lastId ~= '' and overlap ~= 'allow' and isUnfinished(redis.call('HGET', schedule, 'lastId')) then
  if overlap == 'queue' then
    return 'queued'
  end
  redis.call('ZADD', schedules, upcoming, name)
  redis.call('HINCRBY', schedule, 'skipped', '1')
  return 'skipped'
end

local at = 9
while at <= #ARGV do
  local last = at + tonumber(ARGV[at])
  local reason = checkStagedJob(at + 1, last)
  if reason then
    return redis.error_reply('DROVER_SCHEDULE ' .. reason)
  end
  at = last + 1
end

redis.call('ZADD', schedules, upcoming, name)
redis.call('HINCRBY', schedule, 'passed', ARGV[7])
at = 9
while at <= #ARGV do
  local last = at + tonumber(ARGV[at])
  addStagedJob(at + 1, last)
  redis.call('HINCRBY', schedule, 'fired', '1')
  at = last + 1
end
if lastId == '' then
  return 'passed'
end
redis.call('HSET', schedule, 'lastId', lastId, 'lastAt', due)
return 'fired'

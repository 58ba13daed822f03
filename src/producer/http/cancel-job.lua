--[[
  Cancels a job that has not begun: it leaves its queue, and a result record says that it was cancelled, so that who
  waits for it hears of it. BullMQ's script removes it. One script, because a worker may take the job at any moment.

  KEYS[1] the job        KEYS[2] BullMQ's set of job schedulers     KEYS[3] the job's result key
  ARGV[1] job id         ARGV[2] '0': children of the job stay      ARGV[3] what BullMQ's keys of the queue start with
  ARGV[4] queue          ARGV[5] version of the record              ARGV[6] ms that the record is kept
  ARGV[7] ms since 1970  ARGV[8] name, ARGV[9] message, ARGV[10] code of the error in the record
  ARGV[11] the channel that tells of the end of the job

  Returns 'cancelled', or the state that the job is in, when it is one that cannot be cancelled; nothing changed then.
]]
local removeJob = function(KEYS, ARGV)
  --@REMOVE_JOB@
end

local jobId, base = ARGV[1], ARGV[3]
if redis.call('EXISTS', KEYS[1]) == 0 then return 'unknown' end
if redis.call('ZSCORE', base .. 'completed', jobId) then return 'completed' end
if redis.call('ZSCORE', base .. 'failed', jobId) then return 'failed' end
local waits = redis.call('ZSCORE', base .. 'delayed', jobId) or redis.call('ZSCORE', base .. 'prioritized', jobId)
  or redis.call('LPOS', base .. 'wait', jobId) or redis.call('LPOS', base .. 'paused', jobId)
if not waits then
  return redis.call('ZSCORE', base .. 'waiting-children', jobId) and 'waiting-children' or 'active'
end

local job = redis.call('HMGET', KEYS[1], 'name', 'timestamp', 'atm', 'processedOn')
local removed = removeJob({ KEYS[1], KEYS[2] }, { jobId, ARGV[2], base })
if removed ~= 1 then return removed == 0 and 'active' or 'scheduled' end

local now, enqueuedAt = tonumber(ARGV[7]), tonumber(job[2])
local startedAt = tonumber(job[4] or now)
-- In the order that docs/redis-keys.md gives, which cjson would not keep.
local record = '{"v":' .. ARGV[5] .. ',"id":' .. cjson.encode(jobId) .. ',"job":' .. cjson.encode(job[1])
  .. ',"queue":' .. cjson.encode(ARGV[4]) .. ',"status":"failed","error":{"name":' .. cjson.encode(ARGV[8])
  .. ',"message":' .. cjson.encode(ARGV[9]) .. ',"code":' .. cjson.encode(ARGV[10]) .. '}'
  .. string.format(',"attempts":%d,"enqueuedAt":%.0f,"startedAt":%.0f,"finishedAt":%.0f,"runMs":0,"waitMs":%.0f}',
    tonumber(job[3] or 0), enqueuedAt, startedAt, now, math.max(0, now - enqueuedAt))
redis.call('SET', KEYS[3], record, 'PX', ARGV[6])
redis.call('--@PUBLISH@', ARGV[11], record)
return 'cancelled'

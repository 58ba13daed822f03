--[[
  Puts a job whose attempt failed back for the next one and counts it as retried, or one that asked to run later and counts
  it as snoozed, in one step. BullMQ's own script (moveToDelayed, or retryJob when no backoff applies) stands unchanged
  inside `move`.
  It must be atomic: a crash between the move and the count would lose the count.

  KEYS, ARGV  as BullMQ's script takes them; ARGV[1] is its key prefix "{prefix:queue}:queue:", ARGV[2] the time in ms
  FIELDS      which ARGV holds the fields of a failed attempt or a snooze; without them it was neither
  SKIP        which ARGV is "1" where no attempt is to be counted: with fields, that is a snooze
  JOB         which of KEYS is the job's hash
  Returns     BullMQ's reply, unchanged; a negative one means refused, and then nothing is counted
]]
local function move(KEYS, ARGV)
  --@BULLMQ_SCRIPT@
end

--@KEEP_ATTEMPT@

local fields = ARGV[--@FIELDS@]
local outcome = move(KEYS, ARGV)
if (type(outcome) == 'number' and outcome < 0) or not fields or #fields == 0 then
  return outcome
end
local base = string.match(ARGV[1], '^({[^}]*}:)')
local jobKey = KEYS[--@JOB@]
local job, attempt = unpack(redis.call('HMGET', jobKey, 'name', 'drover:attempt'))
if attempt then
  redis.call('HDEL', jobKey, 'drover:attempt')
  keepAttempt(jobKey, attempt)
end
if base and job then
  local isSnooze = ARGV[--@SKIP@] == '1'
  redis.pcall('HINCRBY', base .. 'totals', job .. (isSnooze and ':snoozed' or ':retried'), '1')
  local stats = base .. 'stats:' .. string.format('%.0f', math.floor(tonumber(ARGV[2]) / 60000))
  if redis.pcall('HINCRBY', stats, job .. (isSnooze and '|s' or '|r'), '1') == 1 then
    redis.call('EXPIRE', stats, 172800)
  end
end
return outcome

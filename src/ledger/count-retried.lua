--[[
  Puts a job whose attempt failed back for the next one and counts it as retried, or one that asked to run later and counts
  it as snoozed, in one step. BullMQ's own script (moveToDelayed, or retryJob when no backoff applies) stands unchanged
  inside `move`.
  It must be atomic: a crash between the move and the count would lose the count.

  KEYS, ARGV  as BullMQ's script takes them; ARGV[1] is its key prefix "{prefix:queue}:queue:", ARGV[2] the time in ms
  FIELDS      which ARGV holds the fields of a failed attempt or a snooze; without them it was neither
  SKIP        which ARGV is "1" where no attempt is to be counted: with fields, that is a snooze
  JOB         which of KEYS is the job's hash
  FREES       true where the job waits for its next attempt, so that its permit is another's meanwhile (limits/)
  Returns     BullMQ's reply, unchanged; a negative one means refused, and then nothing is counted
]]
local held
local function move(KEYS, ARGV)
  --@BULLMQ_SCRIPT@
end

--@KEEP_ATTEMPT@
local function freePermit(base, outcome, limit)
  --@LIMITS@
  local next = type(outcome) == 'table' and type(outcome[1]) == 'table' and outcome[1] or {}
  local comesLimited = false
  for i = 1, #next, 2 do
    comesLimited = comesLimited or next[i] == 'drover:limit'
  end
  if not limit and not comesLimited then
    return outcome
  end
  local limits = openLimits(base, ARGV[1])
  if limit then
    limits.release(ARGV[3], true)
  end
  return comesLimited and (limits.taken(outcome, nil, ARGV[2])) or outcome
end

-- BullMQ's moveToDelayed hands the next job over with its reply, which may be of a paused name.
local function isPutAside(base, reply)
  --@HELD_FUNCTIONS@
  return putAside(held, base, ARGV[1], reply)
end

local fields = ARGV[--@FIELDS@]
local outcome = move(KEYS, ARGV)
if type(outcome) == 'number' and outcome < 0 then
  return outcome
end
local base = string.match(ARGV[1], '^({[^}]*}:)')
local jobKey = KEYS[--@JOB@]
local job, attempt, limit, cancelled =
  unpack(redis.call('HMGET', jobKey, 'name', 'drover:attempt', 'drover:limit', 'defa'), 1, 4)
if --@FREES@ and base then
  outcome = freePermit(base, outcome, limit)
  if held and isPutAside(base, outcome) then
    outcome = 0
  end
  -- It was cancelled, which its worker did not know: the next run fails it, and must not be waited for.
  if cancelled then
    redis.call('ZADD', ARGV[1] .. 'delayed', 'XX', string.format('%.0f', ARGV[2] * 4096), ARGV[3])
    redis.call('ZADD', ARGV[1] .. 'marker', 0, '0')
  end
end
if not fields or #fields == 0 then
  return outcome
end
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

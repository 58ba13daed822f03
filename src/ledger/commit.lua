--[[
  Finishes jobs of one queue and commits what each wrote, each job in one step. BullMQ's own script moveToFinished stands
  in here: first its functions, then its body as `finish`, unchanged but that two of its reads ask for one field more
  (paused job names, a cancel that came too late: bullmq-scripts.ts). Around it are the checks before a job's finish and
  the writes after it. It must be atomic: a crash, a second run or a lost lock between "completed" and "counted" would
  lose or double a count. Redis does not roll a script back, so every write is checked first.
  Several jobs that end at the same moment share one call, because setting BullMQ's functions up is a fifth of its time;
  they have nothing else to do with each other, and one that is refused or fails leaves the others alone.

  KEYS[i]  job key of the i-th job, "{prefix:queue}:queue:<id>"
  ARGV[1]  base of our keys, "{prefix:queue}:"
  ARGV[2]  base of BullMQ's keys, "{prefix:queue}:queue:"
  then, for each job, the number of its words and these words (numbered as in the code, W):
    1..9   as BullMQ's moveToFinished takes its ARGV (its 14 keys are rebuilt here)
    10     result record, JSON
    11     how long the result is kept, seconds
    12     field of the totals hash, "<job>:completed" or "<job>:failed"
    13     minute of the stats hash, minutes since 1970
    14     field of the stats hash, "<job>|c|<run bucket>|<wait bucket>" (f for failed)
    15     number of user counters C, followed by C pairs: name, whole number to add
    then   staged writes, each: number of words, command, key, further words; or ENQUEUE and a
           staged job (add-staged-job.lua); or OUTBOX and one for another slot (put-in-outbox.lua); or BATCH and the key of the job's batch (count-batch.lua); or CACHE,
           the record of the job's cached result, and for how many ms it serves, 0: not; or ERROR
           and the words of record-error.lua
  Returns  for each job BullMQ's reply: 0, or the next job; -1 job missing, -2 lock missing, -3 not active, -4 pending
           children, -6 lock of another run, -9 failed children: then none of our writes were made. Or an error:
           DROVER_COUNTER <n> <reason>   user counter n cannot be added to; nothing was written
           DROVER_EFFECT <n> <reason>    staged write n would fail; nothing was written
]]
-- Names that are paused, as the functions of BullMQ read them.
local held
--@BULLMQ_FUNCTIONS@
local function finish(KEYS, ARGV)
  --@BULLMQ_BODY@
end

local base, bull, statsTtl = ARGV[1], ARGV[2], 172800
--@UNDER_LIMITS@
-- Above this a double can no longer tell whether a sum still fits Redis's signed 64 bits.
local LIMIT = 9e18

local function refusal(kind, index, reason)
  return redis.error_reply('DROVER_' .. kind .. ' ' .. index .. ' ' .. reason)
end

-- As Redis reads one: no leading zeros, no plus sign, no spaces.
local function whole(text)
  if text == '0' or string.find(text, '^-?[1-9]%d*$') then
    return tonumber(text)
  end
end

local function checkCounters(first, count)
  for i = 1, count do
    local name, delta = ARGV[first + 2 * i - 2], ARGV[first + 2 * i - 1]
    local current = redis.pcall('GET', base .. 'counter:' .. name)
    if type(current) == 'table' then
      return i, 'the key does not hold a string'
    end
    if current then
      local number = whole(current)
      if not number then
        return i, 'the key does not hold a whole number'
      end
      if math.abs(number) + math.abs(tonumber(delta)) > LIMIT then
        return i, 'the sum would not fit 64 bits'
      end
    end
  end
end

local function addToCounters(first, count, stats, job)
  for i = 1, count do
    local name, delta = ARGV[first + 2 * i - 2], ARGV[first + 2 * i - 1]
    local sum = redis.call('INCRBY', base .. 'counter:' .. name, delta)
    local sumOfMinute = redis.pcall('HINCRBY', stats, '#' .. name .. '|' .. job, delta)
    -- New, or first changed in this minute: name it, so that a list of counters needs no scan.
    if sum == tonumber(delta) or sumOfMinute == tonumber(delta) then
      redis.pcall('SADD', base .. 'counters', name)
    end
  end
end

-- True when the next job is of a paused name and was put aside: its worker asks again.
local function isPutAside(reply)
  --@HELD_FUNCTIONS@
  return putAside(held, base, bull, reply)
end

-- Made only for the few jobs that stage something, as making functions takes time.
local function effectFunctions()
  --@ADD_STAGED_JOB@
  --@PUT_IN_OUTBOX@
  --@COUNT_BATCH@
  --@CHECK_EFFECTS@
  return checkEffects, addStagedJob, countInBatch, putInOutbox
end

-- Made only for jobs that failed.
local function errorFunction()
  --@KEEP_ATTEMPT@
  --@RECORD_ERROR@
  return recordError
end

local keys = {
  bull .. 'wait', bull .. 'active', bull .. 'prioritized', bull .. 'events', bull .. 'stalled',
  bull .. 'limiter', bull .. 'delayed', bull .. 'paused', bull .. 'meta', bull .. 'pc',
  '', '', '', bull .. 'marker',
}

-- W is where the job's words begin, so that word n is ARGV[W + n]; `last` is where they end.
local function commit(jobKey, W, last)
  local counters = tonumber(ARGV[W + 15])
  local firstCounter, firstEffect = W + 16, W + 16 + 2 * counters
  local index, reason = checkCounters(firstCounter, counters)
  if index then
    return refusal('COUNTER', index, reason)
  end
  local checkEffects, addStagedJob, countInBatch, putInOutbox, endedBefore
  if firstEffect <= last then
    checkEffects, addStagedJob, countInBatch, putInOutbox = effectFunctions()
    endedBefore = redis.call('HGET', jobKey, 'batched')
    index, reason = checkEffects(firstEffect, last)
    if index then
      return refusal('EFFECT', index, reason)
    end
  end

  local id, target = ARGV[W + 1], ARGV[W + 5]
  keys[11], keys[12], keys[13] = bull .. target, jobKey, bull .. 'metrics:' .. target
  local outcome = finish(keys, {
    id, ARGV[W + 2], ARGV[W + 3], ARGV[W + 4], target, ARGV[W + 6], ARGV[W + 7], ARGV[W + 8], ARGV[W + 9],
  })
  if type(outcome) == 'number' and outcome < 0 then
    return outcome
  end

  if held and isPutAside(outcome) then
    outcome = 0
  end

  local record = ARGV[W + 10]
  redis.call('SET', base .. 'result:' .. id, record, 'EX', ARGV[W + 11])
  -- '1' as text: Redis turns a Lua number into text again, which takes longer than the command itself.
  -- pcall: should a stranger have put another type at these two keys, the job's own writes still go in.
  redis.pcall('HINCRBY', base .. 'totals', ARGV[W + 12], '1')
  local stats = base .. 'stats:' .. ARGV[W + 13]
  if redis.pcall('HINCRBY', stats, ARGV[W + 14], '1') == 1 then
    redis.call('EXPIRE', stats, statsTtl)
  end
  if counters > 0 then
    addToCounters(firstCounter, counters, stats, string.match(ARGV[W + 14], '^[^|]+'))
  end
  local at = firstEffect
  while at <= last do
    local stop = at + tonumber(ARGV[at])
    if ARGV[at + 1] == 'ENQUEUE' then
      addStagedJob(at + 2, stop)
    elseif ARGV[at + 1] == 'OUTBOX' then
      putInOutbox(base, { unpack(ARGV, at + 2, stop) })
    elseif ARGV[at + 1] == 'BATCH' then
      if redis.call('EXISTS', jobKey) == 1 then
        redis.call('HSET', jobKey, 'batched', target)
      end
      countInBatch(ARGV[at + 2], endedBefore, target)
    elseif ARGV[at + 1] == 'CACHE' then
      -- Invalidated since, it is gone, or of a later job: this result serves nobody then.
      local held = redis.pcall('GET', ARGV[at + 2])
      if type(held) == 'string' and string.find(held, id .. ' ', 1, true) == 1 then
        if ARGV[at + 3] == '0' then
          redis.call('DEL', ARGV[at + 2])
        else
          redis.call('PEXPIRE', ARGV[at + 2], ARGV[at + 3])
        end
      end
    elseif ARGV[at + 1] == 'ERROR' then
      -- pcall: should a stranger have put another type at these keys, the job's own writes still go in.
      pcall(errorFunction(), jobKey, id, at + 2, ARGV[W + 2])
    else
      redis.call(unpack(ARGV, at + 1, stop))
    end
    at = stop + 1
  end
  -- A waiter reads the result from the message; a large one it fetches, so that a publish stays small.
  -- pcall: all is written, and a server that refuses the message (rights of the user, no sharded channels) must not make
  -- the finish look failed, and lose the next job that it hands over.
  redis.pcall('--@PUBLISH@', base .. 'done:' .. id, #record <= 8192 and record or '')
  return outcome
end

local replies, at, jobs = {}, 3, #KEYS
-- On a cluster a key that never exists stands behind the last job's: see src/redis/slot-guard.ts.
if KEYS[jobs] == base .. 'absent' then
  jobs = jobs - 1
end
for i = 1, jobs do
  local last = at + tonumber(ARGV[at])
  local ok, reply = pcall(commit, KEYS[i], at, last)
  if not ok then
    -- A Redis command raised, with a table from Redis 7 on and with text before.
    local text = type(reply) == 'table' and reply.err or tostring(reply)
    if string.find(text, 'READONLY', 1, true) then
      -- This server is a replica now: nothing of the call was written, and the client sends all of it to the new master.
      return redis.error_reply('READONLY The server is a replica; the commit was not written')
    end
    reply = redis.error_reply(text)
  end
  replies[i] = reply
  at = last + 1
end
return replies

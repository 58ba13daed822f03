--[[
  Finishes jobs of one queue and commits what each wrote, each job in one step. BullMQ's own script moveToFinished stands
  in here: first its functions, then its body as `finish`, unchanged but that two of its reads ask for one field more
  (paused job names, a cancel that came too late), that its options come unpacked (bullmq-scripts.ts), and that what is the
  same for all jobs of a call is done once. Around it are the checks before a job's finish and the writes after it. It must
  be atomic: a crash, a second run or a lost lock between "completed" and "counted" would lose or double a count. Redis
  does not roll a script back, so every write is checked first.
  Several jobs that end at the same moment share one call; one that is refused or fails leaves the others alone. It runs as
  a Redis function, set up once for all calls, or as a script (src/redis/redis-function.ts): so nothing at the top level may
  ask Redis, and what one call knows is set anew in `run`.

  KEYS[i]  job key of the i-th job, "{prefix:queue}:queue:<id>"
  ARGV[1]  base of our keys, "{prefix:queue}:"
  ARGV[2]  base of BullMQ's keys, "{prefix:queue}:queue:"
  ARGV[3]  "1" when BullMQ's stream of events is trimmed
  then, for each job, the number of its words and these words (numbered as in the code, W):
    1..8   what BullMQ's moveToFinished needs (its 14 keys and the rest of its ARGV are rebuilt here): job id; time, ms
           since 1970; lock token; its packed options as text of one character a byte, "" for those of the job before;
           return value or reason of the failure; "completed" or "failed"; "1" to hand over the next job; packed fields
           to set, or ""
    9      result record, JSON
    10     how long the result is kept, seconds
    11     field of the totals hash, "<job>:completed" or "<job>:failed"
    12     minute of the stats hash, minutes since 1970
    13     field of the stats hash, "<job>|c|<run bucket>|<wait bucket>" (f for failed)
    14     number of user counters C, followed by C pairs: name, whole number to add
    then   staged writes, each: number of words, command, key, further words; or ENQUEUE and a
           staged job (add-staged-job.lua); or OUTBOX and one for another slot (put-in-outbox.lua); or BATCH and the key of the job's batch (count-batch.lua); or CACHE,
           the record of the job's cached result, and for how many ms it serves, 0: not; or ERROR
           and the words of record-error.lua
  Returns  for each job BullMQ's reply: 0, or the next job; -1 job missing, -2 lock missing, -3 not active, -4 pending
           children, -6 lock of another run, -9 failed children: then none of our writes were made. Or an error:
           DROVER_COUNTER <n> <reason>   user counter n cannot be added to; nothing was written
           DROVER_EFFECT <n> <reason>    staged write n would fail; nothing was written
]]
-- What one call is given and knows: names that are paused and meta hashes, as BullMQ's functions read them; what was done
-- for all jobs; whether events are trimmed; BullMQ's options; the limits (finish-job.lua).
local KEYS, ARGV, base, bull, held, metas, isDone, trims, options, limits
--@BULLMQ_FUNCTIONS@
--@ONCE_PER_CALL@
local function finish(KEYS, ARGV)
  --@BULLMQ_BODY@
end

--@UNDER_LIMITS@
local STATS_TTL = 172800
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

-- What the jobs of a call add to the same numbers is written as one sum, as a command costs as much as the rest of counting
-- does: `steps` by counter, `fields` by hash and field. `values` are counters as they were read, with what was added since.
local values, steps, fields
-- Beyond this a double does not hold every whole number.
local SAFE = 9007199254740991

-- As text: Redis turns a Lua number into text again, which takes longer than the command itself.
local function asText(sum)
  return sum == 1 and '1' or string.format('%.0f', sum)
end

local function writeFields(key, sums)
  local isNew = false
  for field, sum in pairs(sums) do
    -- pcall: should a stranger have put another type at these keys, the job's own writes still go in.
    if redis.pcall('HINCRBY', key, field, asText(sum)) == sum then
      local counter = string.match(field, '^#([^|]+)')
      isNew = isNew or not counter
      -- First changed in this minute: named, so that a list of counters needs no scan.
      if counter then
        redis.pcall('SADD', base .. 'counters', counter)
      end
    end
  end
  return isNew
end

-- Gives the error of a counter that the Redis user may not add to, which only a server before Redis 7 learns this late.
local function writeSums()
  local ofFields, ofCounters, problem = fields, steps, nil
  values, steps, fields = {}, {}, {}
  for key, sums in pairs(ofFields) do
    if writeFields(key, sums) and key ~= base .. 'totals' then
      redis.pcall('EXPIRE', key, STATS_TTL)
    end
  end
  for name, sum in pairs(ofCounters) do
    local value = redis.pcall('INCRBY', base .. 'counter:' .. name, asText(sum))
    if value == sum then
      redis.pcall('SADD', base .. 'counters', name)
    elseif type(value) == 'table' then
      problem = value
    end
  end
  return problem
end

local function addToField(key, field, number)
  if fields[key] and math.abs((fields[key][field] or 0) + number) > SAFE then
    writeSums()
  end
  fields[key] = fields[key] or {}
  fields[key][field] = (fields[key][field] or 0) + number
end

local function addToCounter(name, number)
  local value = values[name] and values[name] + number
  if math.abs((steps[name] or 0) + number) > SAFE then
    writeSums()
  end
  steps[name], values[name] = (steps[name] or 0) + number, value
end

local function checkCounters(first, count)
  for i = 1, count do
    local name, delta = ARGV[first + 2 * i - 2], ARGV[first + 2 * i - 1]
    if not values[name] then
      if redis.acl_check_cmd and not redis.acl_check_cmd('INCRBY', base .. 'counter:' .. name, delta) then
        return i, 'the Redis user may not add to it'
      end
      local current = redis.pcall('GET', base .. 'counter:' .. name)
      if type(current) == 'table' then
        return i, 'the key does not hold a string'
      end
      values[name] = whole(current or '0')
      if not values[name] then
        return i, 'the key does not hold a whole number'
      end
    end
    if math.abs(values[name]) + math.abs(tonumber(delta)) > LIMIT then
      return i, 'the sum would not fit 64 bits'
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

local keys -- BullMQ's, of which three are another job's each time

-- BullMQ's options as they came last: kept from call to call, as they are the same for most jobs, and only their token is set.
local packedOptions, unpackedOptions
local function unpackOptions(text)
  if text ~= packedOptions then
    local bytes = string.gsub(text, '([\194\195])([\128-\191])', function(first, second)
      return string.char(string.byte(second) + (first == '\195' and 64 or 0))
    end)
    packedOptions, unpackedOptions = text, cmsgpack.unpack(bytes)
  end
  return unpackedOptions
end

-- W is where the job's words begin, so that word n is ARGV[W + n]; `last` is where they end.
local function commit(jobKey, W, last)
  if ARGV[W + 4] ~= '' then
    options = unpackOptions(ARGV[W + 4])
  end
  options.token = ARGV[W + 3]
  local counters = tonumber(ARGV[W + 14])
  local firstCounter, firstEffect = W + 15, W + 15 + 2 * counters
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

  local id, target = ARGV[W + 1], ARGV[W + 6]
  keys[11], keys[12], keys[13] = bull .. target, jobKey, bull .. 'metrics:' .. target
  local outcome = finish(keys, {
    id, ARGV[W + 2], target == 'completed' and 'returnvalue' or 'failedReason', ARGV[W + 5], target, ARGV[W + 7], bull,
    options, ARGV[W + 8],
  })
  if type(outcome) == 'number' and outcome < 0 then
    return outcome
  end

  if held and isPutAside(outcome) then
    outcome = 0
  end

  local record = ARGV[W + 9]
  redis.call('SET', base .. 'result:' .. id, record, 'EX', ARGV[W + 10])
  local stats = base .. 'stats:' .. ARGV[W + 12]
  addToField(base .. 'totals', ARGV[W + 11], 1)
  addToField(stats, ARGV[W + 13], 1)
  if counters > 0 then
    local suffix = string.match(ARGV[W + 13], '^[^|]+')
    for at = firstCounter, firstEffect - 1, 2 do
      addToCounter(ARGV[at], tonumber(ARGV[at + 1]))
      addToField(stats, '#' .. ARGV[at] .. '|' .. suffix, tonumber(ARGV[at + 1]))
    end
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

local function run(givenKeys, givenArgs)
  rcall, KEYS, ARGV, base, bull = redis.call, givenKeys, givenArgs, givenArgs[1], givenArgs[2]
  held, metas, isDone, trims, options, limits = nil, {}, {}, ARGV[3] == '1', nil, nil
  values, steps, fields = {}, {}, {}
  keys = {
    bull .. 'wait', bull .. 'active', bull .. 'prioritized', bull .. 'events', bull .. 'stalled',
    bull .. 'limiter', bull .. 'delayed', bull .. 'paused', bull .. 'meta', bull .. 'pc',
    '', '', '', bull .. 'marker',
  }
  local replies, at, jobs, problem = {}, 4, #KEYS, nil
  -- On a cluster a key that never exists stands behind the last job's: see src/redis/slot-guard.ts.
  if KEYS[jobs] == base .. 'absent' then
    jobs = jobs - 1
  end
  for i = 1, jobs do
    local last = at + tonumber(ARGV[at])
    local ok, reply = pcall(commit, KEYS[i], at, last)
    if not ok then
      -- A Redis command raised: a table from Redis 7 on, text before.
      local text = type(reply) == 'table' and reply.err or tostring(reply)
      if string.find(text, 'READONLY', 1, true) then
        -- A replica now: nothing was written, and the client sends all of it to the new master.
        problem = redis.error_reply('READONLY The server is a replica; the commit was not written')
        break
      end
      reply = redis.error_reply(text)
    end
    replies[i] = reply
    at = last + 1
  end
  problem = problem or writeSums()
  KEYS, ARGV, metas, limits, values = nil -- A library outlives the call, and would keep its words.
  return problem or replies
end

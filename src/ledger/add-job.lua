--[[
  Adds one job to which rules apply: an idempotency key or a result cache, a rule by which enqueues merge, a most number
  of waiting jobs, tags. BullMQ's own script (addStandardJob, addDelayedJob or addPrioritizedJob) stands unchanged inside `add`.
  It must be atomic: what decides whether there is a job, and the job, are of two producers who come at the same time.
  Sent again after a lost reply it finds the job of its id and changes nothing.

  KEYS[1]  BullMQ's meta hash; the others that its script takes are made here, as each costs every enqueue
  ARGV[1]  in lines, as each argument more costs every enqueue:
           1 base of our keys, "{prefix:queue}:"
           2 key of the record of the idempotency key, or ''
           3 hash of the input
           4 how long the record is kept, ms
           5 'job': the key holds as long as its job or the result of it exists; 'time': as long as the record; 'cache':
             the record is of the cache, and names the job whose result serves this input; 'refresh': likewise, but run anew
           6 rule by which enqueues merge: '', 'waiting', 'unfinished', 'debounce' or 'throttle'
           7 most jobs that may wait, 0 for any number
           8 to 12, for BullMQ's script: its key prefix, the job's id, its name, the time in ms, key of the merging rule or ''
  ARGV[2]  the input, JSON
  ARGV[3]  the options, JSON with BullMQ's short names: text, as binary arguments cost the client more than all of the rest
  and for a job with tags:
  ARGV[4]  how long tags are kept, ms; ARGV[5] most jobs of a tag; ARGV[6] most tags of the queue
  ARGV[7..] tags
  Returns  'added <id>'; 'known <id of the job that is there in its place>'; 'conflict <id of the job with this key and
           another input>'; 'cached <id of a completed job, whose result serves>'; 'full <number of waiting jobs>'; or
           BullMQ's negative code. Only 'added' wrote a job.
]]
local function add(KEYS, ARGV, cmsgpack)
  --@BULLMQ_SCRIPT@
end

-- In its place: what BullMQ's script would unpack is there as it is.
local unpacked = {
  unpack = function(value)
    return value
  end,
}

-- Counted as user counters are (incr-counter.lua). pcall: what a stranger put at their keys stops no enqueue.
local function countCache(base, job, what)
  local name = 'cache:' .. job .. ':' .. what
  redis.pcall('INCRBY', base .. 'counter:' .. name, '1')
  redis.pcall('SADD', base .. 'counters', name)
  local stats = base .. 'stats:' .. string.format('%.0f', math.floor(tonumber(redis.call('TIME')[1]) / 60))
  if redis.pcall('HINCRBY', stats, '#' .. name, '1') == 1 then
    redis.pcall('EXPIRE', stats, '172800')
  end
end

-- 'cached' or 'known' when the job of this record serves: it has completed and its result is there, or it has not ended.
local function cachedBy(bull, base, id)
  local job = redis.call('HMGET', bull .. id, 'name', 'finishedOn')
  if job[1] and not job[2] then
    return 'known'
  end
  local result = base .. 'result:' .. id
  -- The names before the status are short: the value is not read.
  if string.find(redis.call('GETRANGE', result, 0, 511), '"status":"completed"', 1, true) then
    -- Who was told of it must have time to read it.
    local leftMs = redis.call('PTTL', result)
    if leftMs >= 0 and leftMs < 60000 then
      redis.call('PEXPIRE', result, '60000')
    end
    return 'cached'
  end
end

local base, record, hash, recordMs, lasts, merge, maxDepth, bull, id, name, now, mergeKey =
  string.match(ARGV[1], '^([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)$')

local isRefresh = lasts == 'refresh'
local caches = lasts == 'cache' or isRefresh
if record ~= '' then
  local held = redis.call('GET', record)
  local heldId, heldHash, heldLasts = string.match(held or '', '^(%S+) (%S+) (%S+)$')
  if heldId == id then
    return 'added ' .. id
  end
  if caches then
    hash, lasts = redis.call('HGET', base .. 'caches', name) or '0', 'cache'
    local serves = not isRefresh and heldId and heldHash == hash and cachedBy(bull, base, heldId)
    if serves then
      countCache(base, name, serves == 'cached' and 'hits' or 'shared')
      return serves .. ' ' .. heldId
    end
  elseif heldId and (heldLasts == 'time' or redis.call('EXISTS', bull .. heldId, base .. 'result:' .. heldId) > 0) then
    return (heldHash == hash and 'known ' or 'conflict ') .. heldId
  end
end

local isThere = (merge ~= '' or maxDepth ~= '0') and redis.call('EXISTS', bull .. id) == 1
local merges = false
local other = merge ~= '' and not isThere and redis.call('GET', mergeKey)
if other and other ~= id then
  if merge == 'debounce' then
    -- Its job takes the newest input, and BullMQ moves it to the new time. One that is due already runs as it is.
    merges = redis.call('ZSCORE', bull .. 'delayed', other)
    if merges then
      redis.call('HSET', bull .. other, 'data', ARGV[2], 'timestamp', now)
    end
  elseif merge == 'throttle' then
    merges = true
  else
    local state = redis.call('HMGET', bull .. other, 'name', 'processedOn', 'finishedOn')
    merges = state[1] and not state[3] and not (merge == 'waiting' and state[2])
  end
  if not merges then
    -- BullMQ frees it when a job ends and no ttl is set; here it ends earlier, or a person removed the job.
    redis.call('DEL', mergeKey)
  end
end

if maxDepth ~= '0' and not isThere and not merges then
  local depth = redis.call('LLEN', bull .. 'wait') + redis.call('ZCARD', bull .. 'prioritized')
    + redis.call('ZCARD', bull .. 'delayed') + redis.call('ZCARD', bull .. 'waiting-children')
  if depth >= tonumber(maxDepth) then
    return 'full ' .. depth
  end
end

local args = { bull, id, name, now, [9] = mergeKey ~= '' and mergeKey or nil }
local reply = add({ --@BULLMQ_KEYS@
}, { args, ARGV[2], cjson.decode(ARGV[3]) }, unpacked)
if type(reply) == 'number' then
  return reply
end
if reply ~= id then
  return 'known ' .. reply
end
if record ~= '' then
  redis.call('SET', record, id .. ' ' .. hash .. ' ' .. lasts, 'PX', recordMs)
  if caches then
    countCache(base, name, 'misses')
  end
end
-- pcall: should a stranger have put another type at these keys, the job itself is in.
for i = 7, #ARGV do
  local tag = base .. 'tag:' .. ARGV[i]
  redis.pcall('ZADD', tag, now, id)
  redis.pcall('ZREMRANGEBYRANK', tag, 0, -1 - tonumber(ARGV[5]))
  redis.pcall('ZREMRANGEBYSCORE', tag, '-inf', tonumber(now) - tonumber(ARGV[4]))
  redis.pcall('PEXPIRE', tag, ARGV[4])
  redis.pcall('ZADD', base .. 'tags', now, ARGV[i])
end
if #ARGV > 3 then
  redis.pcall('ZREMRANGEBYRANK', base .. 'tags', 0, -1 - tonumber(ARGV[6]))
  redis.pcall('PEXPIRE', base .. 'tags', ARGV[4])
end
return 'added ' .. id

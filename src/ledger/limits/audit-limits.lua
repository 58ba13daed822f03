--[[
  Recounts the permits of a queue against its jobs, and looks for jobs in line that nobody would ever take. It writes nothing.
  It must be atomic: a job gets and gives back its permit while it moves. A permit may be held by a job that runs, that waits to
  run again after a lost lock or a shutdown, and, of a strict key, that waits for its next attempt or is put aside.

  KEYS[1]  held, hash (limit-functions.lua)
  ARGV[1]  base of our keys, "{prefix:queue}:"
  ARGV[2]  base of BullMQ's keys of the queue
  ARGV[3]  most permits and active jobs that are looked at; of more, nothing is told of permits
  ARGV[4]  how many jobs in line are looked at, those that got there first
  ARGV[5]  how long a job must have been in line to be looked at, ms
  Returns  {permits, or '' when they are too many; ms since 1970 of the last look of a worker, or '';
           unused: job, ID, why ('gone', 'ended', 'delayed', 'in line') of each permit that no job needs;
           unheld: job, ID of each job that runs without one;
           miscounted: ID, permits that are counted, permits that are held (it may count those that run without one, too);
           stuck: job, ID, ms since 1970 from when it is in line, why ('no line', 'no turn')}
]]
--@LIMITS@
local base, bull, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
local limits = openLines(base, bull)
local unused, unheld, miscounted, stuck = {}, {}, {}, {}

local function tell(list, ...)
  for _, text in ipairs({ ... }) do
    list[#list + 1] = text
  end
end

-- The newest job of a key brings its order; one that waits may have been of a strict key.
local function isStrict(job)
  return string.find(redis.call('HGET', bull .. job, 'drover:limit') or '', '^%S+,s ')
end

local function whyUnused(job, key)
  if redis.call('EXISTS', bull .. job) == 0 then
    return 'gone'
  elseif redis.call('HEXISTS', bull .. job, 'finishedOn') == 1 then
    return 'ended'
  elseif redis.call('ZSCORE', limits.LINE .. key.id, job) then
    return 'in line'
  elseif not key.strict and not isStrict(job) and redis.call('ZSCORE', bull .. 'delayed', job) then
    return 'delayed'
  end
end

local known, counted, bare = {}, {}, {}
local function read(id, spec)
  known[id] = known[id] or limits.read(id, spec)
  return known[id]
end

local permits = redis.call('HLEN', KEYS[1])
local isCounted = permits <= most and redis.call('LLEN', bull .. 'active') <= most
if isCounted then
  local holders, isActive = {}, {}
  for _, job in ipairs(redis.call('LRANGE', bull .. 'active', 0, -1)) do
    isActive[job] = true
  end
  local held = redis.call('HGETALL', KEYS[1])
  for i = 1, #held, 2 do
    local job, id = held[i], held[i + 1]
    holders[job] = id
    counted[id] = (counted[id] or 0) + 1
    local key = read(id)
    local why = not isActive[job] and whyUnused(job, key)
    if why then
      tell(unused, job, id, why)
    end
  end
  for job in pairs(isActive) do
    if not holders[job] then
      -- One that was cancelled is handed over to fail, without a permit.
      local fields = redis.call('HMGET', bull .. job, 'drover:limit', 'defa')
      if fields[1] and not fields[2] then
        local _, id = limits.split(fields[1])
        tell(unheld, job, id)
        bare[id] = (bare[id] or 0) + 1
      end
    end
  end
end

local old = limits.text(limits.now - tonumber(ARGV[5]))
local parked = redis.call('ZRANGEBYSCORE', limits.PARKED, '-inf', old, 'WITHSCORES', 'LIMIT', '0', ARGV[4])
local judged = {}
for i = 1, #parked, 2 do
  local job, since = parked[i], parked[i + 1]
  local word = redis.call('HGET', bull .. job, 'drover:limit')
  -- Others wait for jobs of their flow.
  if word then
    local spec, id = limits.split(word)
    if not redis.call('ZSCORE', limits.LINE .. id, job) then
      tell(stuck, job, id, since, 'no line')
    elseif not judged[id] then
      judged[id] = true
      local key = read(id, spec)
      local hasTurn = redis.call('ZSCORE', limits.READY, id) or redis.call('ZSCORE', limits.DUE, id)
      if not hasTurn and limits.hasPermit(key) then
        tell(stuck, job, id, since, 'no turn')
      end
    end
  end
end

if isCounted then
  for id, key in pairs(known) do
    local least = counted[id] or 0
    if key.held < least or key.held > least + (bare[id] or 0) then
      tell(miscounted, id, limits.text(key.held), tostring(least))
    end
  end
end
local looked = redis.call('HGET', limits.STATE, 'looked') or ''
return { isCounted and tostring(permits) or '', looked, unused, unheld, miscounted, stuck }

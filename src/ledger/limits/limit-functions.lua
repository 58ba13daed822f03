--[[
  Part of other scripts: the limits of a queue (docs/limits.md). A job with a limit waits in the line of its key, never in
  BullMQ's wait list: what takes jobs offers the first of a line, chosen by fair share, and hands out the permit in the same
  step. BullMQ's scripts stand unchanged around it; `offer` puts a job where they take it from, `taken` looks at what came.

  Keys, all under base .. 'limit:', where ID is '<job name or nothing>:<key>':
    ready     sorted set, ID by its tag: may start a job now. Tags are those of start-time fair queueing (Goyal 1996)
    due       sorted set, ID by the time, ms since 1970, at which its rate lets a job start
    held      hash, job id to ID: who has a permit
    state     hash: seq, of all that got in line; v, the tag of the last start; others, the tag of jobs without a limit
    key:ID    hash: spec, held (permits), tag (of the next start), used and at (of the rate)
    line:ID   sorted set, job id by its place
    log:ID    list of the last starts, ms since 1970, for a sliding window
  BullMQ's waiting-children has each job in a line too, so that its tools see, count and remove it.
  Each run of a script makes its functions anew, and one that closes over many names takes long: so they are fields of one
  table, and those that only some scripts need are made there (openRates, openLimits).
  A job's own hash has 'drover:limit': '<spec> <ID>'; spec is 'concurrency,kind,limit,window,burst,weight,order' with kind
  n (no rate), f (fixed), s (sliding) or b (bucket), order s (strict) or f (free), and 0 for no concurrency.
]]
--@LIMIT_RATES@
-- What gets a job in line.
local function openLines(base, bull)
  local call = redis.call
  local FIELD, FRONT, PRIORITY = 'drover:limit', -2 ^ 50, 2 ^ 32
  local time = call('TIME')
  local limits = {
    bull = bull, now = time[1] * 1000 + math.floor(time[2] / 1000),
    READY = base .. 'limit:ready', DUE = base .. 'limit:due', HELD = base .. 'limit:held', STATE = base .. 'limit:state',
    KEY = base .. 'limit:key:', LINE = base .. 'limit:line:', LOG = base .. 'limit:log:',
    WAIT = bull .. 'wait', PARKED = bull .. 'waiting-children', MARKER = bull .. 'marker',
  }

  --@LIMIT_KEYS@
  -- Puts a job in the line of its key: 'front', 'last' (lifo: before all that came), or behind those of its priority.
  limits.park = function(job, word, place, isQuiet)
    local spec, id = limits.split(word)
    local seq = call('HINCRBY', limits.STATE, 'seq', 1)
    local score
    if place == 'front' then
      score = FRONT + seq
    elseif place == 'last' then
      score = -seq
    else
      score = (tonumber(place) or 0) * PRIORITY + seq % PRIORITY
    end
    call('ZADD', limits.LINE .. id, limits.text(score), job)
    call('ZADD', limits.PARKED, limits.text(limits.now), job)
    local key = limits.read(id, spec)
    if place ~= 'front' then
      -- The newest job brings the limits that hold.
      limits.follow(key, spec)
    end
    limits.remember(key)
    limits.settle(key, isQuiet, 1)
  end

  -- Moves a job that BullMQ has just added from where that put it into the line of its key.
  limits.parkAdded = function(job, word, place)
    if call('EXISTS', limits.bull .. job) == 0 or call('HSETNX', limits.bull .. job, FIELD, word) == 0 or place == 'delayed' then
      return
    end
    if place == 'last' then
      call('LREM', limits.WAIT, '-1', job)
    elseif place == '0' then
      call('LREM', limits.WAIT, '1', job)
    else
      call('ZREM', limits.bull .. 'prioritized', job)
    end
    limits.park(job, word, place, true)
  end

  return limits
end

-- The same, and what takes jobs.
local function openLimits(base, bull)
  local call, limits, FIELD = redis.call, openLines(base, bull), 'drover:limit'

  --@LIMIT_TAKING@
  return limits
end

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
  A job's own hash has 'drover:limit': '<spec> <ID>'; spec is 'concurrency,kind,limit,window,burst,weight,order' with kind
  n (no rate), f (fixed), s (sliding) or b (bucket), order s (strict) or f (free), and 0 for no concurrency.
]]
local function openLimits(base, bull)
  local call = redis.call
  local READY, DUE, HELD, STATE = base .. 'limit:ready', base .. 'limit:due', base .. 'limit:held', base .. 'limit:state'
  local KEY, LINE, LOG = base .. 'limit:key:', base .. 'limit:line:', base .. 'limit:log:'
  local WAIT, PARKED, MARKER = bull .. 'wait', bull .. 'waiting-children', bull .. 'marker'
  local FIELD, FRONT, PRIORITY = 'drover:limit', -2 ^ 50, 2 ^ 32
  local time = call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local virtual, turnOfOthers

  --@LIMIT_KEYS@
  -- Gives a job a permit, and counts its start.
  local function hold(job, key)
    local start = math.max(v(), key.tag)
    virtual = start
    call('HSET', STATE, 'v', text(start))
    call('HSET', HELD, job, key.id)
    key.held, key.tag = key.held + 1, start + 1 / key.weight
    remember(key)
    spend(key)
  end

  -- Takes the permit of a job back and gives its key, unless it has none; that of a strict key stays with a retry.
  local function release(job, isRetry, isQuiet)
    local id = call('HGET', HELD, job)
    if not id then
      return
    end
    local key = read(id)
    if isRetry and key.strict then
      return
    end
    call('HDEL', HELD, job)
    key.held = math.max(0, key.held - 1)
    remember(key)
    settle(key, isQuiet)
    return id
  end

  local function holdAgain(job, id)
    local key = read(id)
    call('HSET', HELD, job, id)
    key.held = key.held + 1
    remember(key)
    settle(key)
  end

  -- Puts a job in the line of its key: 'front', 'last' (lifo: before all that came), or behind those of its priority.
  local function park(job, word, place, isQuiet)
    local spec, id = split(word)
    local seq = call('HINCRBY', STATE, 'seq', 1)
    local score
    if place == 'front' then
      score = FRONT + seq
    elseif place == 'last' then
      score = -seq
    else
      score = (tonumber(place) or 0) * PRIORITY + seq % PRIORITY
    end
    call('ZADD', LINE .. id, text(score), job)
    call('ZADD', PARKED, text(now), job)
    local key = read(id, spec)
    if place ~= 'front' then
      -- The newest job brings the limits that hold.
      follow(key, spec)
    end
    remember(key)
    settle(key, isQuiet)
  end

  -- Moves a job that BullMQ has just added from where that put it into the line of its key.
  local function parkAdded(job, word, place)
    if call('EXISTS', bull .. job) == 0 or call('HSETNX', bull .. job, FIELD, word) == 0 or place == 'delayed' then
      return
    end
    if place == 'last' then
      call('LREM', WAIT, '-1', job)
    elseif place == '0' then
      call('LREM', WAIT, '1', job)
    else
      call('ZREM', bull .. 'prioritized', job)
    end
    park(job, word, place, true)
  end

  -- Puts the job whose turn it is where BullMQ takes the next one from. `taken` must follow in the same script.
  local function offer()
    turnOfOthers = nil
    for _, id in ipairs(call('ZRANGEBYSCORE', DUE, '-inf', text(now), 'LIMIT', '0', '100')) do
      call('ZREM', DUE, id)
      settle(read(id), true)
    end
    for _ = 1, 100 do
      local top = call('ZRANGE', READY, '0', '0', 'WITHSCORES')
      local id, tag = top[1], tonumber(top[2])
      if not id then
        return
      end
      local job = call('ZRANGE', LINE .. id, '0', '0')[1]
      local key = read(id)
      if job and call('EXISTS', bull .. job) == 0 then
        -- Removed with BullMQ's own means.
        call('ZREM', LINE .. id, job)
        call('ZREM', PARKED, job)
        settle(key, true)
      elseif not job or not hasPermit(key) or freeAt(key) > now then
        settle(key, true)
      else
        if call('EXISTS', WAIT, bull .. 'prioritized') > 0 then
          local others = math.max(v(), tonumber(call('HGET', STATE, 'others')) or 0)
          if others <= tag then
            turnOfOthers = others
            return
          end
        end
        call('RPUSH', WAIT, job)
        return { job = job, key = key }
      end
    end
  end

  local function withdraw(offered)
    if offered then
      call('LREM', WAIT, '-1', offered.job)
    end
  end

  -- May the job start that BullMQ took from elsewhere than a line: its delay or backoff has passed, or it was put back?
  local function admit(job, word)
    local spec, id = split(word)
    local key = read(id, spec)
    local holds = call('HGET', HELD, job) == id
    if holds and freeAt(key) <= now then
      spend(key)
      return true
    end
    if not holds and call('EXISTS', LINE .. id) == 0 and hasPermit(key) and freeAt(key) <= now then
      key.spec = spec
      hold(job, key)
      settle(key, true)
      return true
    end
    if holds then
      release(job)
    end
    return false
  end

  -- Takes back what BullMQ did to start the job.
  local function unstart(job)
    call('LREM', bull .. 'active', '1', job)
    call('DEL', bull .. job .. ':lock')
    if call('HINCRBY', bull .. job, 'ats', '-1') <= 0 then
      call('HDEL', bull .. job, 'processedOn')
    end
    if call('HEXISTS', bull .. 'meta', 'max') == 1 and call('EXISTS', bull .. 'limiter') == 1 then
      call('INCRBY', bull .. 'limiter', '-1')
    end
    call('XADD', bull .. 'events', '*', 'event', 'waiting', 'jobId', job, 'prev', 'active')
  end

  -- Looks at BullMQ's answer. Gives it back as it is to be sent; the second value is true when a job that came must wait,
  -- and another may be taken.
  local function taken(reply, offered, callerNow)
    local came = type(reply) == 'table' and type(reply[1]) == 'table' and reply[2]
    if offered and came == offered.job then
      call('ZREM', LINE .. offered.key.id, came)
      call('ZREM', PARKED, came)
      hold(came, offered.key)
      settle(offered.key, true)
      return reply
    end
    withdraw(offered)
    if came then
      if turnOfOthers then
        virtual = turnOfOthers
        call('HSET', STATE, 'others', text(turnOfOthers + 1), 'v', text(turnOfOthers))
      end
      local word, isEnding
      local place = '0'
      for i = 1, #reply[1], 2 do
        local name = reply[1][i]
        if name == FIELD then
          word = reply[1][i + 1]
        elseif name == 'defa' then
          isEnding = true
        elseif name == 'priority' and place ~= 'front' then
          place = reply[1][i + 1]
        elseif name == 'ats' and tonumber(reply[1][i + 1]) > 1 then
          -- It has started before.
          place = 'front'
        end
      end
      if not word or isEnding then
        return reply
      end
      if admit(came, word) then
        return reply
      end
      unstart(came)
      park(came, word, place)
      wake()
      return 0, true
    end
    local due = call('ZRANGE', DUE, '0', '0', 'WITHSCORES')[2]
    if not due then
      return reply
    end
    -- As the caller's clock has it, which BullMQ compares it with.
    local at = tonumber(callerNow) + math.max(1, tonumber(due) - now)
    if type(reply) ~= 'table' then
      return { 0, 0, 0, at }
    end
    if reply[4] == 0 or at < reply[4] then
      reply[4] = at
    end
    return reply
  end

  return {
    room = room, offer = offer, withdraw = withdraw, taken = taken, release = release, holdAgain = holdAgain, parkAdded = parkAdded,
    settle = settle, read = read, split = split, remember = remember,
  }
end

--[[
  Part of limit-functions.lua, whose names it uses: permits, and which job is taken next.
]]
-- Gives a job a permit, and counts its start.
limits.hold = function(job, key)
  local start = math.max(limits.v(), key.tag)
  if start > limits.virtual then
    limits.virtual = start
    call('HSET', limits.STATE, 'v', limits.text(start))
  end
  call('HSET', limits.HELD, job, key.id)
  key.held, key.tag = key.held + 1, start + 1 / key.weight
  limits.remember(key)
  limits.spend(key)
end

-- Counts a start.
limits.spend = function(key)
  if key.kind ~= 'n' then
    openRates(limits).rateSpend(key)
  end
end

-- Takes back what a job counted as a start, which has its permit and was put back instead.
limits.refund = function(job)
  local id = call('HGET', limits.HELD, job)
  local key = id and limits.read(id)
  if key and key.kind ~= 'n' then
    openRates(limits).rateRefund(key)
  end
end

-- Takes the permit of a job back and gives what is known of its key, unless it has none; that of a strict key stays with
-- a retry.
limits.release = function(job, isRetry, isQuiet)
  local id = call('HGET', limits.HELD, job)
  if not id then
    return
  end
  local key = limits.read(id)
  if isRetry and key.strict then
    return
  end
  call('HDEL', limits.HELD, job)
  local hadPermit, line = limits.hasPermit(key), call('ZCARD', limits.LINE .. id)
  key.held = math.max(0, key.held - 1)
  if line == 0 and key.held == 0 then
    limits.forget(key)
  else
    limits.remember(key)
    -- One that has jobs in line and had permits left is where it belongs.
    if line > 0 and not (hadPermit and key.kind == 'n') then
      limits.settle(key, isQuiet, line)
    end
  end
  return key
end

-- `key` is as release gave it: what is kept of it may be gone.
limits.holdAgain = function(job, key)
  call('HSET', limits.HELD, job, key.id)
  key.held = key.held + 1
  limits.remember(key)
  limits.settle(key)
end

-- Puts the job whose turn it is where BullMQ takes the next one from. `taken` must follow in the same script.
limits.offer = function()
  limits.turnOfOthers = nil
  if not limits.isDueMoved then
    local due = call('ZRANGEBYSCORE', limits.DUE, '-inf', limits.text(limits.now), 'LIMIT', '0', '100')
    for _, id in ipairs(due) do
      call('ZREM', limits.DUE, id)
      limits.settle(limits.read(id), true)
    end
    -- No other comes to its time within a script.
    limits.isDueMoved = #due < 100
  end
  for _ = 1, 100 do
    local top = call('ZRANGE', limits.READY, '0', '0', 'WITHSCORES')
    local id, tag = top[1], tonumber(top[2])
    if not id then
      return
    end
    local line = call('ZRANGE', limits.LINE .. id, '0', '1')
    local job, key = line[1], limits.read(id)
    if job and call('EXISTS', limits.bull .. job) == 0 then
      -- Removed with BullMQ's own means.
      call('ZREM', limits.LINE .. id, job)
      call('ZREM', limits.PARKED, job)
      limits.settle(key, true)
    elseif not job or not limits.hasPermit(key) or limits.freeAt(key) > limits.now then
      limits.settle(key, true)
    else
      if call('EXISTS', limits.WAIT, limits.bull .. 'prioritized') > 0 then
        local others = math.max(limits.v(), tonumber(call('HGET', limits.STATE, 'others')) or 0)
        if others <= tag then
          limits.turnOfOthers = others
          return
        end
      end
      call('RPUSH', limits.WAIT, job)
      return { job = job, key = key, others = line[2] and 1 or 0 }
    end
  end
end

limits.withdraw = function(offered)
  if offered then
    call('LREM', limits.WAIT, '-1', offered.job)
  end
end

-- May the job start that BullMQ took from elsewhere than a line: its delay or backoff has passed, or it was put back?
limits.admit = function(job, word)
  local spec, id = limits.split(word)
  local key = limits.read(id, spec)
  local holds = call('HGET', limits.HELD, job) == id
  if holds and limits.freeAt(key) <= limits.now then
    limits.spend(key)
    return true
  end
  if not holds and call('EXISTS', limits.LINE .. id) == 0 and limits.hasPermit(key) and limits.freeAt(key) <= limits.now then
    key.spec = spec
    limits.hold(job, key)
    limits.settle(key, true)
    return true
  end
  if holds then
    limits.release(job)
  end
  return false
end

-- Takes back what BullMQ did to start the job.
limits.unstart = function(job)
  call('LREM', limits.bull .. 'active', '1', job)
  call('DEL', limits.bull .. job .. ':lock')
  if call('HINCRBY', limits.bull .. job, 'ats', '-1') <= 0 then
    call('HDEL', limits.bull .. job, 'processedOn')
  end
  if call('HEXISTS', limits.bull .. 'meta', 'max') == 1 and call('EXISTS', limits.bull .. 'limiter') == 1 then
    call('INCRBY', limits.bull .. 'limiter', '-1')
  end
  call('XADD', limits.bull .. 'events', '*', 'event', 'waiting', 'jobId', job, 'prev', 'active')
end

-- Looks at BullMQ's answer. Gives it back as it is to be sent; the second value is true when a job that came must wait,
-- and another may be taken.
limits.taken = function(reply, offered, callerNow)
  local came = type(reply) == 'table' and type(reply[1]) == 'table' and reply[2]
  if offered and came == offered.job then
    call('ZREM', limits.LINE .. offered.key.id, came)
    call('ZREM', limits.PARKED, came)
    limits.hold(came, offered.key)
    limits.settle(offered.key, true, offered.others)
    return reply
  end
  limits.withdraw(offered)
  if came then
    if limits.turnOfOthers then
      limits.virtual = limits.turnOfOthers
      call('HSET', limits.STATE, 'others', limits.text(limits.turnOfOthers + 1), 'v', limits.text(limits.turnOfOthers))
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
    if limits.admit(came, word) then
      return reply
    end
    limits.unstart(came)
    limits.park(came, word, place)
    limits.wake()
    return 0, true
  end
  local due = call('ZRANGE', limits.DUE, '0', '0', 'WITHSCORES')[2]
  if not due then
    return reply
  end
  -- As the caller's clock has it, which BullMQ compares it with.
  local at = tonumber(callerNow) + math.max(1, tonumber(due) - limits.now)
  if type(reply) ~= 'table' then
    return { 0, 0, 0, at }
  end
  if reply[4] == 0 or at < reply[4] then
    reply[4] = at
  end
  return reply
end

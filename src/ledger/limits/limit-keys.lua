--[[
  Part of limit-functions.lua, whose names it uses: what is kept of one limit, and where that puts it: among the ready ones,
  those that are due later, or neither.
]]
limits.text = function(number)
  return string.format('%.17g', number)
end

limits.v = function()
  limits.virtual = limits.virtual or tonumber(call('HGET', limits.STATE, 'v')) or 0
  return limits.virtual
end

limits.split = function(word)
  local at = string.find(word, ' ', 1, true)
  return string.sub(word, 1, at - 1), string.sub(word, at + 1)
end

limits.follow = function(key, spec)
  local most, kind, limit, window, burst, weight, order =
    string.match(spec, '^(%d+),([nfsb]),(%d+),(%d+),(%d+),(%d+),([sf])$')
  if not most then
    return limits.follow(key, '0,n,0,0,0,1,f')
  end
  key.spec, key.most, key.kind, key.limit = spec, tonumber(most), kind, tonumber(limit)
  key.window, key.burst, key.weight = tonumber(window), tonumber(burst), tonumber(weight)
  key.strict = order == 's'
end

-- What is known of a key; `spec` is one of its jobs', for a key of which nothing is kept.
limits.read = function(id, spec)
  local fields = call('HMGET', limits.KEY .. id, 'spec', 'held', 'tag', 'used', 'at')
  local key = {
    id = id, kept = fields[1], spec = fields[1] or spec, held = tonumber(fields[2]) or 0, tag = tonumber(fields[3]) or 0,
    used = tonumber(fields[4]), at = tonumber(fields[5]),
  }
  if not key.spec then
    local first = call('ZRANGE', limits.LINE .. id, 0, 0)[1]
    local word = first and call('HGET', limits.bull .. first, FIELD)
    key.spec = word and limits.split(word) or '0,n,0,0,0,1,f'
  end
  limits.follow(key, key.spec)
  return key
end

-- When the rate lets the key start a job.
limits.freeAt = function(key)
  return key.kind == 'n' and 0 or openRates(limits).rateFreeAt(key)
end

limits.hasPermit = function(key)
  return key.most == 0 or key.held < key.most
end

limits.wake = function()
  call('ZADD', limits.MARKER, '0', '0')
end

-- BullMQ's marker of what is due later; whoever takes it sleeps until then.
limits.wakeAt = function(at)
  local other = call('ZSCORE', limits.MARKER, '1')
  if not other or tonumber(other) > at then
    call('ZADD', limits.MARKER, limits.text(at), '1')
  end
end

-- What a rate counted is kept as long as it may matter.
limits.forget = function(key)
  if key.kind ~= 'f' and key.kind ~= 'b' then
    call('DEL', limits.KEY .. key.id)
    key.kept = nil
    return
  end
  local full = key.kind == 'b' and math.ceil(key.burst * key.window / key.limit) or 0
  call('HSET', limits.KEY .. key.id, 'held', '0')
  call('PEXPIRE', limits.KEY .. key.id, limits.text(key.window + full + RATE_MARGIN_MS))
end

-- Puts the key where what is known of it says: ready, due, or neither. One that is not needed any more is forgotten.
-- `line` is how many jobs it has in line, if that is known: 1 for some.
limits.settle = function(key, isQuiet, line)
  local id = key.id
  line = line or call('ZCARD', limits.LINE .. id)
  if line > 0 and limits.hasPermit(key) then
    local at = key.kind == 'n' and 0 or limits.freeAt(key)
    if at > limits.now then
      call('ZREM', limits.READY, id)
      call('ZADD', limits.DUE, limits.text(at), id)
      limits.wakeAt(at)
      return
    end
    call('ZADD', limits.READY, limits.text(math.max(limits.v(), key.tag)), id)
    if not isQuiet then
      limits.wake()
    end
  else
    call('ZREM', limits.READY, id)
  end
  if key.kind ~= 'n' then
    call('ZREM', limits.DUE, id)
  end
  if line == 0 and key.held == 0 then
    limits.forget(key)
  end
end

limits.remember = function(key)
  if key.kept == key.spec then
    call('HSET', limits.KEY .. key.id, 'held', limits.text(key.held), 'tag', limits.text(key.tag))
  else
    call('HSET', limits.KEY .. key.id, 'spec', key.spec, 'held', limits.text(key.held), 'tag', limits.text(key.tag))
    key.kept = key.spec
  end
  if key.kind == 'f' or key.kind == 'b' then
    call('PERSIST', limits.KEY .. key.id)
  end
end

--[[
  Part of limit-functions.lua, whose names it uses: what is kept of one limit, what its rate lets through, and where that
  puts it: among the ready ones, those that are due later, or neither.
]]
local function text(number)
  return string.format('%.17g', number)
end

local function v()
  virtual = virtual or tonumber(call('HGET', STATE, 'v')) or 0
  return virtual
end

local function split(word)
  local at = string.find(word, ' ', 1, true)
  return string.sub(word, 1, at - 1), string.sub(word, at + 1)
end

local follow
follow = function(key, spec)
  local most, kind, limit, window, burst, weight, order =
    string.match(spec, '^(%d+),([nfsb]),(%d+),(%d+),(%d+),(%d+),([sf])$')
  if not most then
    return follow(key, '0,n,0,0,0,1,f')
  end
  key.spec, key.most, key.kind, key.limit = spec, tonumber(most), kind, tonumber(limit)
  key.window, key.burst, key.weight = tonumber(window), tonumber(burst), tonumber(weight)
  key.strict = order == 's'
end

-- What is known of a key; `spec` is one of its jobs', for a key of which nothing is kept.
local function read(id, spec)
  local fields = call('HMGET', KEY .. id, 'spec', 'held', 'tag', 'used', 'at')
  local key = {
    id = id, spec = fields[1] or spec, held = tonumber(fields[2]) or 0, tag = tonumber(fields[3]) or 0,
    used = tonumber(fields[4]), at = tonumber(fields[5]),
  }
  if not key.spec then
    local first = call('ZRANGE', LINE .. id, 0, 0)[1]
    local word = first and call('HGET', bull .. first, FIELD)
    key.spec = word and split(word) or '0,n,0,0,0,1,f'
  end
  follow(key, key.spec)
  return key
end

local function tokens(key)
  local refilled = math.max(0, now - (key.at or 0)) * key.limit / key.window
  return key.at and math.min(key.burst, key.used + refilled) or key.burst
end

-- When the rate lets the key start a job. No wait is longer than a window, though the clock be set back.
local function freeAt(key)
  local at = 0
  if key.kind == 'f' then
    local window = math.floor(now / key.window)
    if key.at == window and key.used >= key.limit then
      at = (window + 1) * key.window
    end
  elseif key.kind == 's' then
    local oldest = call('LINDEX', LOG .. key.id, -key.limit)
    at = oldest and tonumber(oldest) + key.window or 0
  elseif key.kind == 'b' then
    local missing = 1 - tokens(key)
    at = missing > 1e-9 and now + math.ceil(missing * key.window / key.limit) or 0
  end
  return math.min(at, now + key.window)
end

local function spend(key)
  if key.kind == 'f' then
    local window = math.floor(now / key.window)
    key.used, key.at = key.at == window and key.used + 1 or 1, window
  elseif key.kind == 'b' then
    key.used, key.at = tokens(key) - 1, now
  elseif key.kind == 's' then
    local log = LOG .. key.id
    if call('RPUSH', log, text(now)) > key.limit then
      call('LTRIM', log, -key.limit, -1)
    end
    call('PEXPIRE', log, text(key.window))
  end
  if key.kind == 'f' or key.kind == 'b' then
    call('HSET', KEY .. key.id, 'used', text(key.used), 'at', text(key.at))
  end
end

local function hasPermit(key)
  return key.most == 0 or key.held < key.most
end

local function wake()
  call('ZADD', MARKER, '0', '0')
end

-- BullMQ's marker of what is due later; whoever takes it sleeps until then.
local function wakeAt(at)
  local other = call('ZSCORE', MARKER, '1')
  if not other or tonumber(other) > at then
    call('ZADD', MARKER, text(at), '1')
  end
end

-- Puts the key where what is known of it says: ready, due, or neither. One that is not needed any more is forgotten.
local function settle(key, isQuiet)
  local id = key.id
  local line = call('ZCARD', LINE .. id)
  if line > 0 and hasPermit(key) then
    local at = key.kind == 'n' and 0 or freeAt(key)
    if at > now then
      call('ZREM', READY, id)
      call('ZADD', DUE, text(at), id)
      wakeAt(at)
      return
    end
    call('ZADD', READY, text(math.max(v(), key.tag)), id)
    if not isQuiet then
      wake()
    end
  else
    call('ZREM', READY, id)
  end
  if key.kind ~= 'n' then
    call('ZREM', DUE, id)
  end
  if line > 0 or key.held > 0 then
    return
  end
  if key.kind == 'f' or key.kind == 'b' then
    local full = key.kind == 'b' and math.ceil(key.burst * key.window / key.limit) or 0
    call('PEXPIRE', KEY .. id, text(key.window + full))
  else
    call('DEL', KEY .. id)
  end
end

local function remember(key)
  call('HSET', KEY .. key.id, 'spec', key.spec, 'held', text(key.held), 'tag', text(key.tag))
  if key.kind == 'f' or key.kind == 'b' then
    call('PERSIST', KEY .. key.id)
  end
end

-- How many starts the rate lets through now, and from when on one, if not now.
local function room(key)
  local at = freeAt(key)
  local left = 0
  if key.kind == 'f' then
    left = key.limit - (key.at == math.floor(now / key.window) and key.used or 0)
  elseif key.kind == 's' then
    left = key.limit
    for _, start in ipairs(call('LRANGE', LOG .. key.id, '0', '-1')) do
      if tonumber(start) + key.window > now then
        left = left - 1
      end
    end
  elseif key.kind == 'b' then
    left = math.floor(tokens(key) + 1e-9)
  end
  return math.max(0, left), at > now and at or nil
end

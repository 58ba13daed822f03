--[[
  Part of commit.lua: tells before anything is written whether one staged write would fail. It plays
  the writes forward on key types and on the numbers they add to, so that a write may build on an
  earlier one of the same job. Which commands and how many words they take is checked before the call.
  Returns nothing, or the index of the first bad write (from 1) and the reason.
]]
local function checkEffects(at)
  local needs = {
    SET = 'any', DEL = 'any', EXPIRE = 'any', PERSIST = 'any',
    SETNX = 'any', APPEND = 'string', INCRBY = 'string', INCRBYFLOAT = 'string',
    LPUSH = 'list', RPUSH = 'list', LTRIM = 'list', LREM = 'list',
    SADD = 'set', SREM = 'set',
    ZADD = 'zset', ZINCRBY = 'zset', ZREM = 'zset', ZREMRANGEBYRANK = 'zset', ZREMRANGEBYSCORE = 'zset',
    HSET = 'hash', HSETNX = 'hash', HDEL = 'hash', HINCRBY = 'hash', HINCRBYFLOAT = 'hash',
  }
  -- types[key]: type after the writes so far. values[key .. '\n' .. field]: number or text they leave, where known.
  local types, values, dropped = {}, {}, {}
  local function typeOf(key)
    if not types[key] then
      types[key] = redis.call('TYPE', key).ok
    end
    return types[key]
  end
  local function valueOf(slot, key, read, field)
    if values[slot] == nil then
      values[slot] = not dropped[key] and typeOf(key) ~= 'none' and redis.call(read, key, field) or false
    end
    return values[slot]
  end
  -- Reading a string takes no field; an absent one is the same call without it.
  local function stringOf(key)
    if values[key] == nil then
      values[key] = not dropped[key] and typeOf(key) ~= 'none' and redis.call('GET', key) or false
    end
    return values[key]
  end
  local function addWhole(slot, current, delta)
    local number = current and whole(tostring(current)) or (not current and 0) or nil
    if not number then
      return 'the value there is not a whole number'
    end
    if math.abs(number) + math.abs(tonumber(delta)) > LIMIT then
      return 'the sum would not fit 64 bits'
    end
    values[slot] = string.format('%.0f', number + tonumber(delta))
  end
  local function addFloat(slot, current, delta)
    local number = current == false and 0 or tonumber(current)
    if not number or number ~= number or math.abs(number) == math.huge or string.find(tostring(current), '%s') then
      return 'the value there is not a finite number'
    end
    if math.abs(number + tonumber(delta)) == math.huge then
      return 'the sum would not be finite'
    end
    values[slot] = string.format('%.17g', number + tonumber(delta))
  end
  local function forget(key)
    dropped[key] = true
    for slot in pairs(values) do
      if slot == key or string.sub(slot, 1, #key + 1) == key .. '\n' then
        values[slot] = nil
      end
    end
  end

  local index = 0
  while at <= #ARGV do
    index = index + 1
    local words = tonumber(ARGV[at])
    local command, key = ARGV[at + 1], ARGV[at + 2]
    local need = needs[command]
    if not need then
      return index, 'the command is not one that can be staged'
    end
    local now = typeOf(key)
    if need ~= 'any' and now ~= 'none' and now ~= need then
      return index, 'the key holds a ' .. now .. ', the command needs a ' .. need
    end
    local reason
    if command == 'SET' then
      forget(key)
      types[key], values[key] = 'string', ARGV[at + 3]
    elseif command == 'SETNX' then
      if now == 'none' then
        types[key], values[key] = 'string', ARGV[at + 3]
      end
    elseif command == 'DEL' then
      forget(key)
      types[key] = 'none'
    elseif command == 'INCRBY' then
      reason = addWhole(key, stringOf(key), ARGV[at + 3])
    elseif command == 'INCRBYFLOAT' then
      reason = addFloat(key, stringOf(key), ARGV[at + 3])
    elseif command == 'APPEND' then
      values[key] = (stringOf(key) or '') .. ARGV[at + 3]
      if #values[key] > 536870912 then
        reason = 'the string would pass 512 MB'
      end
    elseif command == 'HSET' then
      for i = at + 3, at + words - 1, 2 do
        values[key .. '\n' .. ARGV[i]] = ARGV[i + 1]
      end
    elseif command == 'HSETNX' then
      local slot = key .. '\n' .. ARGV[at + 3]
      if valueOf(slot, key, 'HGET', ARGV[at + 3]) == false then
        values[slot] = ARGV[at + 4]
      end
    elseif command == 'HDEL' then
      for i = at + 3, at + words do
        values[key .. '\n' .. ARGV[i]] = false
      end
    elseif command == 'HINCRBY' then
      local slot = key .. '\n' .. ARGV[at + 3]
      reason = addWhole(slot, valueOf(slot, key, 'HGET', ARGV[at + 3]), ARGV[at + 4])
    elseif command == 'HINCRBYFLOAT' then
      local slot = key .. '\n' .. ARGV[at + 3]
      reason = addFloat(slot, valueOf(slot, key, 'HGET', ARGV[at + 3]), ARGV[at + 4])
    elseif command == 'ZADD' then
      for i = at + 3, at + words - 1, 2 do
        values[key .. '\n' .. ARGV[i + 1]] = ARGV[i]
      end
    elseif command == 'ZREM' then
      for i = at + 3, at + words do
        values[key .. '\n' .. ARGV[i]] = false
      end
    elseif command == 'ZINCRBY' then
      -- Only two infinities of opposite sign fail; a score is always a number.
      local slot = key .. '\n' .. ARGV[at + 4]
      local score = tonumber(valueOf(slot, key, 'ZSCORE', ARGV[at + 4]) or 0) + tonumber(ARGV[at + 3])
      if score ~= score then
        reason = 'the score would not be a number'
      end
      values[slot] = tostring(score)
    end
    if reason then
      return index, reason
    end
    if types[key] == 'none' and need ~= 'any' and need ~= nil then
      types[key] = need
    end
    at = at + words + 1
  end
end

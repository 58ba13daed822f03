--[[
  Part of commit.lua: tells before anything is written whether one staged write would fail. It plays the writes forward
  on key types and on the numbers they add to, so that a write may build on an earlier one of the same job. Which
  commands there are and how many words each takes is checked before the call; scores cannot fail, as what is added to
  them is finite. Returns nothing, or the index of the first bad write (from 1) and the reason.

  It lets nothing through that Redis 7 or later would refuse with its default limits. It refuses some that it would take:
  - where an earlier write of the job may have emptied a collection, its key is neither taken as gone nor as there;
  - whole numbers whose sum could pass LIMIT; floats that a double cannot hold, or not written as a plain decimal;
  - adding a whole number where the job added a float before.
]]
local function checkEffects(at, stop)
  local needs = {
    SET = 'any', DEL = 'any', EXPIRE = 'any', PERSIST = 'any',
    SETNX = 'any', APPEND = 'string', INCRBY = 'string', INCRBYFLOAT = 'string',
    LPUSH = 'list', RPUSH = 'list', LTRIM = 'list', LREM = 'list',
    SADD = 'set', SREM = 'set',
    ZADD = 'zset', ZINCRBY = 'zset', ZREM = 'zset', ZREMRANGEBYRANK = 'zset', ZREMRANGEBYSCORE = 'zset',
    HSET = 'hash', HSETNX = 'hash', HDEL = 'hash', HINCRBY = 'hash', HINCRBYFLOAT = 'hash',
  }
  local removes = {
    LTRIM = true, LREM = true, SREM = true, ZREM = true, ZREMRANGEBYRANK = true, ZREMRANGEBYSCORE = true, HDEL = true,
  }
  -- Longer texts are no numbers to Redis either, so of a string no more than this is read.
  local LONGEST_NUMBER, LONGEST_STRING = 4096, 536870912
  -- By key, after the writes so far: its type; whether it may have been emptied; the text of a string and its length;
  -- the fields of a hash, false for one that is gone. What was not touched is not in here, but in Redis.
  local types, emptied, texts, lengths, fields = {}, {}, {}, {}, {}
  -- Keys of which nothing in Redis counts any more.
  local replaced = {}

  local function typeOf(key)
    if not types[key] then
      types[key] = redis.call('TYPE', key).ok
    end
    return types[key]
  end
  local function replace(key, type, text)
    replaced[key], types[key], emptied[key], fields[key] = true, type, nil, nil
    texts[key], lengths[key] = text, text and #text
  end
  local function textOf(key)
    if texts[key] == nil then
      texts[key] = not replaced[key] and typeOf(key) ~= 'none' and redis.call('GETRANGE', key, 0, LONGEST_NUMBER)
    end
    return texts[key]
  end
  local function lengthOf(key)
    if lengths[key] == nil then
      lengths[key] = replaced[key] and 0 or redis.call('STRLEN', key)
    end
    return lengths[key]
  end
  local function setText(key, text)
    texts[key], lengths[key] = text, #text
  end
  local function fieldOf(key, field)
    fields[key] = fields[key] or {}
    if fields[key][field] == nil then
      fields[key][field] = not replaced[key] and redis.call('HGET', key, field)
    end
    return fields[key][field]
  end
  local function setField(key, field, value)
    fields[key] = fields[key] or {}
    fields[key][field] = value
  end

  -- The number in a text as both Lua and Redis read it, or nil.
  local function finite(text)
    if #text > LONGEST_NUMBER or string.find(text, '[^%d.eE+-]') then
      return nil
    end
    local number = tonumber(text)
    if not number or math.abs(number) == math.huge then
      return nil
    end
    -- A number too small for a double reads as 0, one too small for Redis as an error.
    if number == 0 and string.find(string.match(text, '^[^eE]*'), '[1-9]') then
      return nil
    end
    return number
  end
  local function addWhole(current, delta)
    local number = whole(current or '0')
    if not number then
      return nil, 'the value there is not a whole number'
    end
    if math.abs(number) + math.abs(tonumber(delta)) > LIMIT then
      return nil, 'the sum would not fit 64 bits'
    end
    return string.format('%.0f', number + tonumber(delta))
  end
  local function addFloat(current, delta)
    local number = finite(current or '0')
    if not number then
      return nil, 'the value there is not a finite number'
    end
    local sum = number + tonumber(delta)
    if math.abs(sum) == math.huge then
      return nil, 'the sum would not be finite'
    end
    -- Redis adds with more digits: what is whole here may have a fraction there, so it must not read as whole.
    local text = string.format('%.17g', sum)
    return whole(text) and text .. '.0' or text
  end

  local play = {
    SET = function(key, first) replace(key, 'string', ARGV[first]) end,
    DEL = function(key) replace(key, 'none') end,
    SETNX = function(key, first)
      if emptied[key] then
        return 'an earlier write may have emptied the key, so whether it exists is open'
      end
      if types[key] == 'none' then
        replace(key, 'string', ARGV[first])
      end
    end,
    INCRBY = function(key, first)
      local text, reason = addWhole(textOf(key), ARGV[first])
      if reason then return reason end
      setText(key, text)
    end,
    INCRBYFLOAT = function(key, first)
      local text, reason = addFloat(textOf(key), ARGV[first])
      if reason then return reason end
      setText(key, text)
    end,
    APPEND = function(key, first)
      local length = lengthOf(key) + #ARGV[first]
      if length > LONGEST_STRING then
        return 'the string would pass 512 MB'
      end
      -- Only the beginning matters: a text that is too long for a number stays so.
      texts[key], lengths[key] = string.sub((textOf(key) or '') .. ARGV[first], 1, LONGEST_NUMBER + 1), length
    end,
    HSET = function(key, first, last)
      for i = first, last, 2 do
        setField(key, ARGV[i], ARGV[i + 1])
      end
    end,
    HSETNX = function(key, first)
      if not fieldOf(key, ARGV[first]) then
        setField(key, ARGV[first], ARGV[first + 1])
      end
    end,
    HDEL = function(key, first, last)
      for i = first, last do
        setField(key, ARGV[i], false)
      end
    end,
    HINCRBY = function(key, first)
      local text, reason = addWhole(fieldOf(key, ARGV[first]), ARGV[first + 1])
      if reason then return reason end
      setField(key, ARGV[first], text)
    end,
    HINCRBYFLOAT = function(key, first)
      local text, reason = addFloat(fieldOf(key, ARGV[first]), ARGV[first + 1])
      if reason then return reason end
      setField(key, ARGV[first], text)
    end,
  }

  -- The reason why a write would fail, or nothing; the write counts as made for those after it.
  local function checkWrite(command, key, at, last)
    local need = needs[command]
    if not need then
      return 'the command is not one that can be staged'
    end
    -- From Redis 7 on a script can ask what its user may do; before, a user who may read a key but not write it is not told apart.
    if redis.acl_check_cmd and not redis.acl_check_cmd(unpack(ARGV, at + 1, last)) then
      return 'the Redis user may not make this write'
    end
    local now = typeOf(key)
    if need ~= 'any' and now ~= 'none' and now ~= need then
      return 'the key holds a ' .. now .. ', the command needs a ' .. need
    end
    local reason = play[command] and play[command](key, at + 3, last)
    if reason then
      return reason
    end
    if removes[command] then
      emptied[key] = now ~= 'none' or nil
    elseif need ~= 'any' then
      types[key], emptied[key] = need, nil
    end
  end

  local index = 0
  while at <= stop do
    index = index + 1
    local last = at + tonumber(ARGV[at])
    local bad
    if ARGV[at + 1] == 'ENQUEUE' then
      bad = checkStagedJob(at + 2, last)
    elseif ARGV[at + 1] == 'OUTBOX' then
      bad = checkOutbox(base, ARGV[at + 2])
    elseif ARGV[at + 1] ~= 'BATCH' and ARGV[at + 1] ~= 'CACHE' and ARGV[at + 1] ~= 'ERROR' then
      bad = checkWrite(ARGV[at + 1], ARGV[at + 2], at, last)
    end
    if bad then
      return index, bad
    end
    at = last + 1
  end
end

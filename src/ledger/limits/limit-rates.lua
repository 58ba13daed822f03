--[[
  Part of limit-functions.lua: what the rate of a key lets through. `key` is as `read` gives it, of kind f, s or b.
  What counts is told from the time that the script has read, and kept for a while longer: Redis may count a time to live
  from the start of a script, before that, and would let one more start than the rate.
]]
local RATE_MARGIN_MS = 60000
local function openRates(limits)
  local call = redis.call
  if limits.rateFreeAt then
    return limits
  end

  limits.tokens = function(key)
    local refilled = math.max(0, limits.now - (key.at or 0)) * key.limit / key.window
    return key.at and math.min(key.burst, key.used + refilled) or key.burst
  end

  -- When the rate lets the key start a job. No wait is longer than a window, though the clock be set back.
  limits.rateFreeAt = function(key)
    local at = 0
    if key.kind == 'f' then
      local window = math.floor(limits.now / key.window)
      if key.at == window and key.used >= key.limit then
        at = (window + 1) * key.window
      end
    elseif key.kind == 's' then
      local oldest = call('LINDEX', limits.LOG .. key.id, -key.limit)
      at = oldest and tonumber(oldest) + key.window or 0
    elseif key.kind == 'b' then
      local missing = 1 - limits.tokens(key)
      at = missing > 1e-9 and limits.now + math.ceil(missing * key.window / key.limit) or 0
    end
    return math.min(at, limits.now + key.window)
  end

  limits.rateSpend = function(key)
    if key.kind == 'f' then
      local window = math.floor(limits.now / key.window)
      key.used, key.at = key.at == window and key.used + 1 or 1, window
    elseif key.kind == 'b' then
      key.used, key.at = limits.tokens(key) - 1, limits.now
    elseif key.kind == 's' then
      local log = limits.LOG .. key.id
      if call('RPUSH', log, limits.text(limits.now)) > key.limit then
        call('LTRIM', log, -key.limit, -1)
      end
      call('PEXPIRE', log, limits.text(key.window + RATE_MARGIN_MS))
    end
    if key.kind == 'f' or key.kind == 'b' then
      call('HSET', limits.KEY .. key.id, 'used', limits.text(key.used), 'at', limits.text(key.at))
    end
  end

  -- Takes the last start back.
  limits.rateRefund = function(key)
    if key.kind == 's' then
      call('LTRIM', limits.LOG .. key.id, '0', '-2')
    elseif key.used and (key.kind == 'b' or key.at == math.floor(limits.now / key.window)) then
      local used = key.kind == 'b' and math.min(key.burst, key.used + 1) or math.max(0, key.used - 1)
      call('HSET', limits.KEY .. key.id, 'used', limits.text(used))
    end
  end

  -- How many starts the rate lets through now, and from when on one, if not now.
  limits.room = function(key)
    local at = limits.freeAt(key)
    local left = 0
    if key.kind == 'f' then
      left = key.limit - (key.at == math.floor(limits.now / key.window) and key.used or 0)
    elseif key.kind == 's' then
      left = key.limit
      for _, start in ipairs(call('LRANGE', limits.LOG .. key.id, '0', '-1')) do
        if tonumber(start) + key.window > limits.now then
          left = left - 1
        end
      end
    elseif key.kind == 'b' then
      left = math.floor(limits.tokens(key) + 1e-9)
    end
    return math.max(0, left), at > limits.now and at or nil
  end

  return limits
end

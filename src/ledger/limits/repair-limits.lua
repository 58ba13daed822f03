--[[
  Takes back permits whose job needs none any more: it was removed by hand, or ended without the script that frees them.
  Corrects how many permits a key counts, and sees to it that no key with jobs in line is forgotten. It is for what no script
  of ours did; those leave nothing behind. It must be atomic: a job could be put back in its queue, and permits move, between
  the look and the write.

  KEYS[1]  held, hash (limit-functions.lua)
  ARGV[1]  base of our keys, "{prefix:queue}:"
  ARGV[2]  base of BullMQ's keys of the queue
  ARGV[3]  where to go on in held: the cursor of the last call, '0' to begin
  ARGV[4]  '1' to look at jobs in line, too; where, the hash state keeps: a look goes on where the last one ended
  ARGV[5]  how many of each are looked at
  ARGV[6]  most permits, and active jobs, with which counts are corrected
  ARGV[7]  least time between two looks at a queue, whoever looks, ms; '' for a call that goes on with a look
  Returns  {cursor of held, cursor of jobs in line, number of permits taken back}
]]
--@LIMITS@
local base, bull = ARGV[1], ARGV[2]
local STATE = base .. 'limit:state'
if ARGV[7] ~= '' then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local last = tonumber(redis.call('HGET', STATE, 'looked'))
  -- A clock that was set back must not put it off.
  if last and now - last >= 0 and now - last < tonumber(ARGV[7]) then
    return { '0', '0', 0 }
  end
  if redis.call('EXISTS', STATE) == 0 then
    return { '0', '0', 0 }
  end
  redis.call('HSET', STATE, 'looked', string.format('%.0f', now))
end
local limits = openLimits(base, bull)
local freed, met = 0, {}
local held = redis.call('HSCAN', KEYS[1], ARGV[3], 'COUNT', ARGV[5])
for i = 1, #held[2], 2 do
  local job = bull .. held[2][i]
  if redis.call('EXISTS', job) == 0 or redis.call('HEXISTS', job, 'finishedOn') == 1 then
    limits.release(held[2][i])
    freed = freed + 1
  end
  met[held[2][i + 1]] = true
end

local cursor = '0'
if ARGV[4] == '1' then
  local parked = redis.call('ZSCAN', bull .. 'waiting-children', redis.call('HGET', STATE, 'cursor') or '0', 'COUNT', ARGV[5])
  cursor = parked[1]
  redis.call('HSET', STATE, 'cursor', cursor)
  local seen = {}
  for i = 1, #parked[2], 2 do
    local word = redis.call('HGET', bull .. parked[2][i], 'drover:limit')
    if word then
      local spec, id = limits.split(word)
      if not seen[id] and not redis.call('ZSCORE', base .. 'limit:ready', id) then
        limits.settle(limits.read(id, spec))
      end
      seen[id], met[id] = true, true
    end
  end
  -- Also those whose last job in line was cancelled: with a wrong count they would never be forgotten.
  for _, set in ipairs({ limits.READY, limits.DUE }) do
    for _, id in ipairs(redis.call('ZRANGE', set, '0', ARGV[5])) do
      met[id] = true
    end
  end
end

-- How many jobs of each key have a permit.
local function countPermits()
  local counts = {}
  local all = redis.call('HGETALL', KEYS[1])
  for i = 2, #all, 2 do
    counts[all[i]] = (counts[all[i]] or 0) + 1
  end
  return counts
end

-- How many of each key run without one, as where a program that knows of no limits took them.
local function countRunning()
  local counts = {}
  for _, job in ipairs(redis.call('LRANGE', bull .. 'active', 0, -1)) do
    if redis.call('HEXISTS', KEYS[1], job) == 0 then
      local fields = redis.call('HMGET', bull .. job, 'drover:limit', 'defa')
      if fields[1] and not fields[2] then
        local _, id = limits.split(fields[1])
        counts[id] = (counts[id] or 0) + 1
      end
    end
  end
  return counts
end

-- Corrected to no less than what runs: a count that is too low lets too many start, one that is too high for a while none.
if next(met) and math.max(redis.call('HLEN', KEYS[1]), redis.call('LLEN', bull .. 'active')) <= tonumber(ARGV[6]) then
  local permits, running = countPermits(), nil
  for id in pairs(met) do
    local key, least = limits.read(id), permits[id] or 0
    if key.held ~= least then
      running = running or countRunning()
      local most = least + (running[id] or 0)
      if key.held < least or key.held > most then
        key.held = most
        limits.remember(key)
        limits.settle(key)
      end
    end
  end
end
return { held[1], cursor, freed }

--[[
  Takes back permits whose job needs none any more: it was removed by hand, or ended without the script that frees them.
  And sees to it that no key with jobs in line is forgotten. It is for what no script of ours did; those leave nothing
  behind. It must be atomic: a job could be put back in its queue between the look and the write.

  KEYS[1]  held, hash (limit-functions.lua)
  ARGV[1]  base of our keys, "{prefix:queue}:"
  ARGV[2]  base of BullMQ's keys of the queue
  ARGV[3]  where to go on in held: the cursor of the last call, '0' to begin
  ARGV[4]  '1' to look at jobs in line, too; where, the hash state keeps: a look goes on where the last one ended
  ARGV[5]  how many of each are looked at
  ARGV[6]  least time between two looks at a queue, whoever looks, ms; '' for a call that goes on with a look
  Returns  {cursor of held, cursor of jobs in line, number of permits taken back}
]]
--@LIMITS@
local base, bull = ARGV[1], ARGV[2]
local STATE = base .. 'limit:state'
if ARGV[6] ~= '' then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local last = tonumber(redis.call('HGET', STATE, 'looked'))
  -- A clock that was set back must not put it off.
  if last and now - last >= 0 and now - last < tonumber(ARGV[6]) then
    return { '0', '0', 0 }
  end
  if redis.call('EXISTS', STATE) == 0 then
    return { '0', '0', 0 }
  end
  redis.call('HSET', STATE, 'looked', string.format('%.0f', now))
end
local limits = openLimits(base, bull)
local freed = 0
local held = redis.call('HSCAN', KEYS[1], ARGV[3], 'COUNT', ARGV[5])
for i = 1, #held[2], 2 do
  local job = bull .. held[2][i]
  if redis.call('EXISTS', job) == 0 or redis.call('HEXISTS', job, 'finishedOn') == 1 then
    limits.release(held[2][i])
    freed = freed + 1
  end
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
      seen[id] = true
    end
  end
end
return { held[1], cursor, freed }

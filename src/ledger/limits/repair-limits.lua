--[[
  Takes back permits whose job needs none any more: it was removed by hand, or ended without the script that frees them.
  And sees to it that no key with jobs in line is forgotten. It is for what no script of ours did; those leave nothing
  behind. It must be atomic: a job could be put back in its queue between the look and the write.

  KEYS[1]  held, hash (limit-functions.lua)
  ARGV[1]  base of our keys, "{prefix:queue}:"
  ARGV[2]  base of BullMQ's keys of the queue
  ARGV[3]  where to go on in held; ARGV[4] in BullMQ's waiting-children: the cursors of the last call, '0' to begin
  ARGV[5]  how many of each are looked at
  Returns  {cursor of held, cursor of waiting-children, number of permits taken back}
]]
--@LIMITS@
local base, bull = ARGV[1], ARGV[2]
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

local parked = redis.call('ZSCAN', bull .. 'waiting-children', ARGV[4], 'COUNT', ARGV[5])
local seen = {}
for i = 1, #parked[2], 2 do
  local word = redis.call('HGET', bull .. parked[2][i], 'drover:limit')
  if word then
    local spec, id = limits.split(word)
    if not seen[id] then
      seen[id] = true
      limits.settle(limits.read(id, spec))
    end
  end
end
return { held[1], parked[1], freed }

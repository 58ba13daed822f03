--[[
  Pauses a job name in a queue, or ends its pause. It must be atomic: workers read and change the same field.

  KEYS[1]  BullMQ's meta hash of the queue
  ARGV[1]  base of our keys, "{prefix:queue}:"
  ARGV[2]  base of BullMQ's keys, "{prefix:queue}:queue:"
  ARGV[3]  job name
  ARGV[4]  'pause' or 'resume'
  ARGV[5]  most names that may be paused
  ARGV[6]  how many jobs to put back
  Returns  pause: 'paused', or 'full'. resume: 'left' when jobs are still aside, which workers put back, too; else 'resumed'
]]
--@HELD_FUNCTIONS@
local base, bull, name, action = unpack(ARGV, 1, 4)
local names, left, count = namesOf(redis.call('HGET', KEYS[1], 'drover:held')), {}, nil
for _, entry in ipairs(names) do
  local resumed, counted = string.match(entry, '^>([^:]+):(%d+)$')
  if resumed == name then
    count = counted
  elseif entry ~= name then
    left[#left + 1] = entry
  end
end
if action == 'pause' then
  if #left >= tonumber(ARGV[5]) then
    return 'full'
  end
  left[#left + 1] = name
  setHeld(bull, left)
  return 'paused'
end
if not count then
  local last = redis.call('ZRANGE', base .. 'held:' .. name, -1, -1, 'WITHSCORES')
  if #last > 0 then
    -- As many numbers of BullMQ's counter as there are places.
    count = redis.call('INCRBY', bull .. 'pc', last[2]) - last[2]
  end
end
if count and not putBack(base, bull, name, tonumber(count), tonumber(ARGV[6])) then
  left[#left + 1] = '>' .. name .. ':' .. string.format('%.0f', count)
  setHeld(bull, left)
  return 'left'
end
setHeld(bull, left)
return 'resumed'

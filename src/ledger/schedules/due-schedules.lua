--[[
  Reads the schedules that are due by Redis's own clock, which all workers share.

  KEYS[1]  schedules, sorted set: name by the time of its next tick
  ARGV[1]  base of the schedules' keys, "{prefix:queue}:schedule:"
  ARGV[2]  due schedules to leave out, the first ones: those that stayed due when they were looked at
  ARGV[3]  most schedules to return
  Returns  the time now, ms since 1970; the number of schedules; then name, time of the tick and spec of each that is due
]]
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local found = { now, redis.call('ZCARD', KEYS[1]) }
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'WITHSCORES', 'LIMIT', ARGV[2], ARGV[3])
for i = 1, #due, 2 do
  found[#found + 1] = due[i]
  found[#found + 1] = due[i + 1]
  -- Without its record, which somebody removed, it is unreadable.
  found[#found + 1] = redis.call('HGET', ARGV[1] .. due[i], 'spec') or ''
end
return found

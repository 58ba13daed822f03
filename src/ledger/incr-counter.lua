--[[
  Adds to a user counter from outside a job, and keeps the list of counters and the minute's stats in step.
  It must be atomic: a crash between the sum and its minute would leave a series that does not add up to it.

  KEYS[1]  counter, string
  KEYS[2]  set of the queue's counter names
  ARGV[1]  base of the queue's stats keys, "{prefix:queue}:stats:"; the minute is Redis's own
  ARGV[2]  counter's name
  ARGV[3]  whole number to add
  Returns  the new value
  Errors   Redis's own for a key that holds no integer, or a sum beyond 64 bits; nothing was written
]]
local value = redis.call('INCRBY', KEYS[1], ARGV[3])
redis.pcall('SADD', KEYS[2], ARGV[2])
local stats = ARGV[1] .. string.format('%.0f', math.floor(tonumber(redis.call('TIME')[1]) / 60))
local first = redis.call('EXISTS', stats) == 0
redis.pcall('HINCRBY', stats, '#' .. ARGV[2], ARGV[3])
if first then
  redis.call('EXPIRE', stats, 172800)
end
return value

--[[
  Says how a job that stalled twice or more may run, and counts a start alone. It must be atomic: two workers that judged
  the same job at once would both start it, or lose a count.
  A stall that no crash caused (its worker lived on, and said so) does not count.

  KEYS[1]  BullMQ's hash of the job
  KEYS[2]  BullMQ's lock of the job
  ARGV[1]  the token of the lock
  ARGV[2]  how many crashes make a job run alone
  ARGV[3]  how many starts alone a job may have that never came back
  ARGV[4]  least time between a job's first two starts alone, milliseconds; doubled for each further one
  ARGV[5]  "1" to count a start alone, else ""
  Returns  {"lost"} the lock is gone or another's; {"shared"} the job may run beside others; {"crashed", crashes, starts}
           it must not run any more; {"wait", milliseconds} until it may start alone; {"alone"} it may, and was counted
           where asked for
]]
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return {'lost'}
end
local fields = redis.call('HMGET', KEYS[1], 'stc', 'drover:survived', 'drover:alone', 'drover:aloneAt')
local stalls, starts = tonumber(fields[1]) or 0, tonumber(fields[3]) or 0
local crashes = stalls - math.min(stalls, tonumber(fields[2]) or 0)
if crashes < tonumber(ARGV[2]) then
  return {'shared'}
end
if starts >= tonumber(ARGV[3]) then
  return {'crashed', crashes, starts}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if starts > 0 then
  local left = (tonumber(fields[4]) or 0) + ARGV[4] * 2 ^ (starts - 1) - now
  if left > 0 then
    return {'wait', math.ceil(left)}
  end
end
if ARGV[5] == '1' then
  redis.call('HINCRBY', KEYS[1], 'drover:alone', 1)
  redis.call('HSET', KEYS[1], 'drover:aloneAt', string.format('%.0f', now))
end
return {'alone'}

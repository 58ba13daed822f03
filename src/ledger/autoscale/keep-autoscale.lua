--[[
  Keeps what autoscaling found out, unless somebody else has since it was read: two that judged the same past would
  count its arrivals twice. It must be atomic for that.

  KEYS[1]  state, string
  KEYS[2]  the number as a list of so many elements, which scalers that read a list's length can use
  ARGV[1]  the state as it was read; empty for none
  ARGV[2]  the new state
  ARGV[3]  its TTL, ms
  ARGV[4]  desired number of workers; empty leaves the list alone
  ARGV[5]  TTL of the list, ms
  Returns  1 when it was kept, else 0
]]
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
if ARGV[4] ~= '' then
  local desired = tonumber(ARGV[4])
  local there = redis.call('LLEN', KEYS[2])
  if desired == 0 then
    redis.call('DEL', KEYS[2])
  elseif there > desired then
    redis.call('LTRIM', KEYS[2], 0, desired - 1)
  end
  for number = there + 1, desired do
    redis.call('RPUSH', KEYS[2], number)
  end
  redis.call('PEXPIRE', KEYS[2], ARGV[5])
end
return 1

--[[
  Notes that a run of a job ended without a crash of its process: takes back its start alone, and counts a stall as
  survived where the run lost its lock. It must be atomic: the job may be removed between the look and the write, and would
  come back as a hash of nothing else.

  KEYS[1]  BullMQ's hash of the job
  ARGV[1]  "1" when the run had been counted as a start alone
  ARGV[2]  "1" when the run had lost its lock
]]
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
if ARGV[1] == '1' and (tonumber(redis.call('HGET', KEYS[1], 'drover:alone')) or 0) > 0 then
  redis.call('HINCRBY', KEYS[1], 'drover:alone', -1)
end
if ARGV[2] == '1' then
  redis.call('HINCRBY', KEYS[1], 'drover:survived', 1)
end
return 1

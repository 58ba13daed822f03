--[[
  Keeps what the function of a key came to, or frees the key when it failed, for the run that holds its job's lock and the
  key. It must be one step with both looks: a run that was given up would else write over the one that took the key over.
  Running it twice does the same.

  KEYS[1]  hash of the key
  KEYS[2]  BullMQ's lock of the job
  ARGV[1]  the token of that lock
  ARGV[2]  id of the job
  ARGV[3]  how long the value is kept, milliseconds; "" frees the key
  ARGV[4]  the value's JSON
  Returns  1; 0 when the lock is gone or another's; 2 when another run has the key: then nothing was written
]]
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return 0
end
local fields = redis.call('HMGET', KEYS[1], 'job', 'token')
if fields[1] and (fields[1] ~= ARGV[2] or fields[2] ~= ARGV[1]) then
  return 2
end
if ARGV[3] == '' then
  redis.call('DEL', KEYS[1])
  return 1
end
redis.call('HSET', KEYS[1], 'job', ARGV[2], 'token', ARGV[1], 'value', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1

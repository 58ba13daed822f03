--[[
  Says who runs the function of a key, for a run that holds its job's lock, and what it came to. It must be atomic: two runs
  that looked at once would both run it. A run whose lock is gone holds no key any more. Running it twice does the same.

  KEYS[1]  hash of the key: job and token of the run that has it, and its value once it has come to one
  KEYS[2]  BullMQ's lock of the asking job
  ARGV[1]  the token of that lock
  ARGV[2]  id of the asking job
  ARGV[3]  base of BullMQ's keys, "{prefix:queue}:queue:"
  ARGV[4]  how long the key may be held at most, milliseconds
  Returns  {"lost"} the asking run has no lock; {"done", JSON}; {"busy", job} another run has it; {"yours"}
]]
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return {'lost'}
end
local fields = redis.call('HMGET', KEYS[1], 'value', 'job', 'token')
if fields[1] then
  return {'done', fields[1]}
end
local isOwn = fields[2] == ARGV[2] and fields[3] == ARGV[1]
if fields[2] and not isOwn and redis.call('GET', ARGV[3] .. fields[2] .. ':lock') == fields[3] then
  return {'busy', fields[2]}
end
redis.call('HSET', KEYS[1], 'job', ARGV[2], 'token', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return {'yours'}

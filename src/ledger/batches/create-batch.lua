--[[
  Opens a batch, unless it is there: opening it again, after a lost reply or a crash, changes nothing.

  KEYS[1]  the batch, hash
  KEYS[2]  batches, sorted set: id by the time it was opened
  ARGV[1]  its id
  ARGV[2]  time, ms since 1970
  ARGV[3]  how long it is kept, ms
  ARGV[4]  most batches the set keeps
  ARGV[5]  key of the batch that it is part of, or ''
  then, for each of its own jobs: event (success, complete or death), number of words, words as in
         `on:<event>` (count-batch.lua)
  Returns  1 when it was opened, 0 when it was there
]]
if redis.call('HSETNX', KEYS[1], 'openedAt', ARGV[2]) == 0 then
  return 0
end
if ARGV[5] ~= '' then
  redis.call('HSET', KEYS[1], 'parent', ARGV[5])
end
local at = 6
while at <= #ARGV do
  local last = at + 1 + tonumber(ARGV[at + 1])
  redis.call('HSET', KEYS[1], 'on:' .. ARGV[at], cmsgpack.pack({ unpack(ARGV, at + 2, last) }))
  at = last + 1
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', tonumber(ARGV[2]) - tonumber(ARGV[3]))
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -1 - tonumber(ARGV[4]))
return 1

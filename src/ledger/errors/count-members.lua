--[[
  Counts the jobs of an error group that are still failed: those that BullMQ's set has with the same score. Beyond
  ARGV[1] members it says how many are listed, of which some may have been retried or removed by hand.

  KEYS[1]  the group's jobs
  KEYS[2]  BullMQ's failed jobs
  ARGV[1]  most members that are looked at, up to 1000
  Returns  the number
]]
local size = redis.call('ZCARD', KEYS[1])
if size == 0 or size > tonumber(ARGV[1]) then
  return size
end
local members = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
local ids = {}
for i = 1, #members, 2 do
  ids[#ids + 1] = members[i]
end
local scores, count = redis.call('ZMSCORE', KEYS[2], unpack(ids)), 0
for i = 1, #ids do
  if scores[i] == members[2 * i] then
    count = count + 1
  end
end
return count

--[[
  Reads the oldest jobs of an outbox, for one delivery of them. Each read has a fence above all before it: a delivery that
  was read earlier, and comes late, is refused by deliver-jobs.lua. It must be atomic: a higher fence must have seen all
  that was removed under the lower ones.

  KEYS[1]  outboxes, hash: queue -> the last fence
  KEYS[2]  the outbox of that queue, stream
  ARGV[1]  the queue
  ARGV[2]  the fence must be above this one
  ARGV[3]  most jobs; ARGV[4] most bytes, of which the first job may have more
  Returns  the fence, then for each job its place, its id and its words, packed; nothing when there is none
]]
local entries = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', ARGV[3])
if #entries == 0 then
  return {}
end
local last = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0')
local fence = string.format('%.0f', math.max(last, tonumber(ARGV[2])) + 1)
redis.call('HSET', KEYS[1], ARGV[1], fence)
local reply, bytes = { fence }, 0
for _, entry in ipairs(entries) do
  local id, job = entry[2][2], entry[2][4]
  bytes = bytes + #job
  if #reply > 1 and bytes > tonumber(ARGV[4]) then
    break
  end
  reply[#reply + 1], reply[#reply + 2], reply[#reply + 3] = entry[1], id, job
end
return reply

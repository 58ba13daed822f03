--[[
  Takes jobs that were delivered out of an outbox. A place is only taken with its job: after a failover that lost the
  newest writes, another job may have it.

  KEYS[1]  the outbox, stream
  ARGV     place and id of each job
  Returns  how many were taken out
]]
local removed = 0
for at = 1, #ARGV, 2 do
  local entry = redis.call('XRANGE', KEYS[1], ARGV[at], ARGV[at])[1]
  if entry and entry[2][2] == ARGV[at + 1] then
    removed = removed + redis.call('XDEL', KEYS[1], ARGV[at])
  end
end
return removed

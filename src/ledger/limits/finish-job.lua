--[[
  Part of commit.lua for a queue with limits: the finish of a job frees its permit, and the next job is taken under the
  limits, in the same step. Both are done before BullMQ's script runs, which takes the next job too, and taken back when
  that refuses the finish.
]]
local finishOnly = finish
finish = function(KEYS, ARGV)
  limits = limits or openLimits(base, bull)
  local job = ARGV[1]
  local takes = ARGV[6] == '1'
  local freed = limits.release(job, false, takes)
  local offered = takes and limits.offer() or nil
  local ok, reply = pcall(finishOnly, KEYS, ARGV)
  if not ok or (type(reply) == 'number' and reply < 0) then
    limits.withdraw(offered)
    if freed then
      limits.holdAgain(job, freed)
    end
    if not ok then
      error(reply, 0)
    end
    return reply
  end
  return takes and (limits.taken(reply, offered, ARGV[2])) or reply
end

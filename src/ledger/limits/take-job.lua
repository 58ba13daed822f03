--[[
  Takes the next job for a worker, under the limits of the queue. BullMQ's own script moveToActive stands unchanged inside
  `take`. It must be atomic: two workers that took jobs of one key at once would both find the last permit free.

  KEYS, ARGV  as BullMQ's script takes them; ARGV[1] is its key prefix "{prefix:queue}:queue:", ARGV[2] the time in ms
  Returns     as BullMQ's script. A job that must wait for its limit is put in line, and another one looked for
]]
local function take(KEYS, ARGV)
  --@BULLMQ_SCRIPT@
end
--@LIMITS@
local bull = ARGV[1]
local base = string.match(bull, '^({[^}]*}:)')
if not base then
  return take(KEYS, ARGV)
end

-- A queue without limits pays for this one look.
local limits = redis.call('EXISTS', base .. 'limit:ready', base .. 'limit:due') > 0 and openLimits(base, bull)

local function hasLimit(reply)
  for i = 1, type(reply[1]) == 'table' and #reply[1] or 0, 2 do
    if reply[1][i] == 'drover:limit' then
      return true
    end
  end
end

-- Jobs whose delay has passed come one by one, and those that must wait get in line: no more than this in one call.
for _ = 1, 100 do
  local offered = limits and limits.offer()
  local ok, reply = pcall(take, KEYS, ARGV)
  if not ok then
    if limits then
      limits.withdraw(offered)
    end
    return error(reply, 0)
  end
  if not limits and not hasLimit(reply) then
    return reply
  end
  limits = limits or openLimits(base, bull)
  local answer, hasMore = limits.taken(reply, offered, ARGV[2])
  if not hasMore then
    return answer
  end
end
return { 0, 0, 0, 0 }

--[[
  Renews locks of one queue, each only while it is still this worker's, and takes the jobs from the list of those that may
  have stalled. It must be atomic: a lock that runs out between the look and the renewal may be another worker's by then.
  Or only looks which of the jobs were cancelled.

  KEYS[1]  BullMQ's set of jobs that may have stalled
  KEYS[2]  BullMQ's list of active jobs
  ARGV[1]  base of BullMQ's keys, "{prefix:queue}:queue:"
  ARGV[2]  how long a lock holds, milliseconds; 0 for a look, which renews nothing and tells of no lock that is gone
  ARGV[3]  what the tokens of this worker start with, or "": with it, every active job whose lock starts so is renewed too.
           A blocked worker needs that for jobs which Redis has handed it and of which it has not heard yet.
  ARGV[4]  what a cancel leaves with a job that runs
  then     pairs of job id and token
  Returns  the places, from 0, of the pairs whose lock is gone or another's; and of those that were cancelled, as -1 less
           the place
]]
local told = {}
local renews = ARGV[2] ~= '0'

local function renew(id, token)
  redis.call('SET', ARGV[1] .. id .. ':lock', token, 'PX', ARGV[2])
  redis.call('SREM', KEYS[1], id)
end

for i = 5, #ARGV, 2 do
  if redis.call('GET', ARGV[1] .. ARGV[i] .. ':lock') == ARGV[i + 1] then
    if renews then
      renew(ARGV[i], ARGV[i + 1])
    end
    if redis.call('HGET', ARGV[1] .. ARGV[i], 'defa') == ARGV[4] then
      told[#told + 1] = -1 - (i - 5) / 2
    end
  elseif renews then
    told[#told + 1] = (i - 5) / 2
  end
end
if ARGV[3] ~= '' then
  for _, id in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
    local token = redis.call('GET', ARGV[1] .. id .. ':lock')
    if token and string.sub(token, 1, #ARGV[3]) == ARGV[3] then
      renew(id, token)
    end
  end
end
return told

--[[
  Keeps a schedule. What did not change stays as it is, so that a deploy neither loses nor doubles a tick; a pause stays
  too. One whose times are the same keeps its next tick whatever else changed: a tick that is due comes with what it does now. It must be atomic: a schedule in the hash but not in the set would never tick.

  KEYS[1]  schedules, sorted set: name by the time of its next tick
  KEYS[2]  the schedule, hash
  ARGV[1]  its name
  ARGV[2]  what it does, JSON
  ARGV[3]  where it comes from: code or api
  ARGV[4]  time of its next tick, ms since 1970
  ARGV[5]  the part of ARGV[2] with its times, as it stands there
  Returns  'created', 'changed' or 'unchanged'
]]
local known = redis.call('HGET', KEYS[2], 'spec')
redis.call('HSET', KEYS[2], 'spec', ARGV[2], 'origin', ARGV[3])
-- No other part of a schedule can look like its times: in the text of an input each quote has a backslash.
if known and string.find(known, ARGV[5], 1, true) and redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return known == ARGV[2] and 'unchanged' or 'changed'
end
redis.call('ZADD', KEYS[1], redis.call('HEXISTS', KEYS[2], 'paused') == 1 and '+inf' or ARGV[4], ARGV[1])
return known and 'changed' or 'created'

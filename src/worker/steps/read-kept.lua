--[[
  Reads what earlier runs of a job kept, for the run that holds its lock. It must be one step with the look at the lock: a
  run whose lock is gone would else go on from what its successor has kept.

  KEYS[1]  BullMQ's hash of the job
  KEYS[2]  BullMQ's lock of the job
  ARGV[1]  the token of the lock
  Returns  nil when the lock is gone or another's; else fields and values, in turns
]]
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return nil
end
local kept = {}
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if field == 'drover:checkpoint' or string.sub(field, 1, 12) == 'drover:step:' then
    kept[#kept + 1] = field
    kept[#kept + 1] = redis.call('HGET', KEYS[1], field)
  end
end
return kept

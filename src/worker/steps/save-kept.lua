--[[
  Keeps the result of a step, or a checkpoint, with the job, for the run that holds its lock. It must be one step with the
  look at the lock: a run that was given up would else write into the one that took over. Running it twice does the same.

  KEYS[1]  BullMQ's hash of the job
  KEYS[2]  BullMQ's lock of the job
  ARGV[1]  the token of the lock
  ARGV[2]  field of the job's hash, "drover:step:<name>" or "drover:checkpoint"
  ARGV[3]  its JSON
  Returns  1; 0 when the lock is gone or another's, or the job was removed: then nothing was written
]]
if redis.call('GET', KEYS[2]) ~= ARGV[1] or redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
return 1

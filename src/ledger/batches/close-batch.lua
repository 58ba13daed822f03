--[[
  Says how many members a batch has; from then on it ends with its last one, which may have ended already. Closing it
  again with the same number changes nothing.

  KEYS[1]  the batch, hash
  ARGV[1]  number of its members
  Returns  1; 0 when there is no such batch; -1 when it was closed with another number
]]
--@ADD_STAGED_JOB@
--@PUT_IN_OUTBOX@
--@COUNT_BATCH@
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
if redis.call('HSETNX', KEYS[1], 'total', ARGV[1]) == 0 and redis.call('HGET', KEYS[1], 'total') ~= ARGV[1] then
  return -1
end
fireDueOfBatch(KEYS[1])
return 1

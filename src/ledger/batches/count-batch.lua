--[[
  Part of commit.lua and close-batch.lua, after add-staged-job.lua and put-in-outbox.lua: counts a job that has ended in its batch, and enqueues
  the batch's own jobs when they are due, each once. A batch is a hash: `total` (once it is closed), `completed`,
  `failed`, `parent` (key of the batch it is part of), `on:<event>` (the words of a staged job, packed, behind 'outbox' where it is of another slot) and `fired:<event>`.
  A job that could not be put in its queue is told of in `error:<event>`: the finish of the last member must not fail for it.
]]
local countInBatch

local function fireOfBatch(batch, event)
  local packed = redis.call('HGET', batch, 'on:' .. event)
  if not packed or redis.call('HSETNX', batch, 'fired:' .. event, '1') == 0 then
    return
  end
  local words = cmsgpack.unpack(packed)
  local base = words[1] == 'outbox' and string.match(batch, '^{[^}]*}:')
  if base then
    table.remove(words, 1)
  end
  local reason = base and checkOutbox(base, words[1]) or not base and checkStagedWords(words)
  if reason then
    redis.call('HSET', batch, 'error:' .. event, reason)
    redis.call('HDEL', batch, 'fired:' .. event)
  elseif base then
    putInOutbox(base, words)
  else
    addStagedWords(words)
  end
end

local function fireDueOfBatch(batch)
  local fields = redis.call('HMGET', batch, 'total', 'completed', 'failed', 'parent', 'inParent')
  local total, completed, failed = tonumber(fields[1]), tonumber(fields[2] or 0), tonumber(fields[3] or 0)
  if failed > 0 then
    fireOfBatch(batch, 'death')
  end
  if not total or completed + failed < total then
    return
  end
  fireOfBatch(batch, 'complete')
  if failed == 0 then
    fireOfBatch(batch, 'success')
  end
  local parent, before, status = fields[4], fields[5], failed == 0 and 'completed' or 'failed'
  if parent and before ~= status then
    redis.call('HSET', batch, 'inParent', status)
    countInBatch(parent, before, status)
  end
end

-- `before` is how this member ended the time before, if it is a manual retry.
countInBatch = function(batch, before, status)
  if before == status or redis.call('TYPE', batch).ok ~= 'hash' then
    return
  end
  if before then
    redis.call('HINCRBY', batch, before, '-1')
  end
  redis.call('HINCRBY', batch, status, '1')
  fireDueOfBatch(batch)
end

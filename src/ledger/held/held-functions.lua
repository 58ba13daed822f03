--[[
  Functions about job names that are paused in a queue, part of other scripts. `held` is the field `drover:held` of BullMQ's
  meta hash, which BullMQ's own read of that hash brings along: names between spaces, or ">name:count" while its jobs are put
  back, and none is handed over. A job of a paused name that BullMQ hands over is put aside: among the delayed jobs, at a time that never comes,
  in the order in which they were met; "{prefix:queue}:held:<name>" has their ids and places.
]]
--@LIMITS@
local NEVER_MS, SCORE = 4e12, 4096

local function heldScore(place)
  return string.format('%.0f', (NEVER_MS + place) * SCORE)
end

local function fieldsOf(flat)
  local fields = {}
  for at = 1, #flat, 2 do
    fields[flat[at]] = flat[at + 1]
  end
  return fields
end

-- The job of BullMQ's reply, taken out of the active ones as if it had never been handed over; nil when there is none.
local function takeBack(bull, reply, isMeant)
  if type(reply) ~= 'table' or type(reply[1]) ~= 'table' then
    return nil
  end
  local job = fieldsOf(reply[1])
  -- One that was cancelled is handed over to fail.
  if not job.name or job.defa or not isMeant(job.name) then
    return nil
  end
  local id = reply[2]
  redis.call('LREM', bull .. 'active', 1, id)
  redis.call('DEL', bull .. id .. ':lock')
  -- It was counted as a start by the rate limit of the queue.
  if redis.call('HEXISTS', bull .. 'meta', 'max') == 1 and redis.call('EXISTS', bull .. 'limiter') == 1 then
    redis.call('INCRBY', bull .. 'limiter', '-1')
  end
  if redis.call('HINCRBY', bull .. id, 'ats', '-1') <= 0 then
    redis.call('HDEL', bull .. id, 'processedOn', 'pb')
  end
  return id, job
end

-- True when the job of BullMQ's reply was put aside, or back to the front of the queue while jobs are put back before it.
local function putAside(held, base, bull, reply)
  local isWaiting = string.find(held, ' >', 1, true)
  local id, job = takeBack(bull, reply, function(name)
    return isWaiting or string.find(held, ' ' .. name .. ' ', 1, true)
  end)
  if not id then
    return false
  end
  local limits = job['drover:limit'] and openLimits(base, bull)
  if limits then
    limits.refund(id)
  end
  if not string.find(held, ' ' .. job.name .. ' ', 1, true) then
    local priority = tonumber(job.priority or '0') or 0
    if priority > 0 then
      redis.call('ZADD', bull .. 'prioritized', string.format('%.0f', priority * 0x100000000), id)
    else
      redis.call('RPUSH', bull .. 'wait', id)
    end
    return true
  end
  if limits then
    -- Jobs of other names may share its key.
    limits.release(id, true)
  end
  local line = base .. 'held:' .. job.name
  local last = redis.call('ZRANGE', line, -1, -1, 'WITHSCORES')
  local place = tonumber(last[2] or '0') + 1
  redis.call('ZADD', line, place, id)
  redis.call('ZADD', bull .. 'delayed', heldScore(place), id)
  redis.call('XADD', bull .. 'events', '*', 'event', 'delayed', 'jobId', id, 'delay', string.format('%.0f', NEVER_MS + place))
  return true
end

-- Puts up to `most` jobs of a name back to the front of the queue, the last of them first, as nothing is handed over until
-- the first is there. Those of a priority are ordered by a counter, which begins at `count`. True when none is left.
local function putBack(base, bull, name, count, most)
  local line = base .. 'held:' .. name
  local flat = redis.call('ZRANGE', line, 0, most - 1, 'REV', 'WITHSCORES')
  for at = 1, #flat, 2 do
    local id, place = flat[at], tonumber(flat[at + 1])
    local score = redis.call('ZSCORE', bull .. 'delayed', id)
    -- Others were cancelled, removed or promoted meanwhile.
    if score and tonumber(score) == tonumber(heldScore(place)) then
      redis.call('ZREM', bull .. 'delayed', id)
      local priority = tonumber(redis.call('HGET', bull .. id, 'priority') or '0') or 0
      if priority > 0 then
        score = priority * 0x100000000 + (count + place) % 0x100000000
        redis.call('ZADD', bull .. 'prioritized', string.format('%.0f', score), id)
      else
        redis.call('RPUSH', bull .. 'wait', id)
      end
      redis.call('XADD', bull .. 'events', '*', 'event', 'waiting', 'jobId', id, 'prev', 'delayed')
    end
    redis.call('ZREM', line, id)
  end
  redis.call('ZADD', bull .. 'marker', 0, '0')
  return #flat < 2 * most
end

local function setHeld(bull, names)
  if #names == 0 then
    redis.call('HDEL', bull .. 'meta', 'drover:held')
    return false
  end
  local text = ' ' .. table.concat(names, ' ') .. ' '
  redis.call('HSET', bull .. 'meta', 'drover:held', text)
  return text
end

local function namesOf(held)
  local names = {}
  for name in string.gmatch(held or '', '%S+') do
    names[#names + 1] = name
  end
  return names
end

-- Goes on with the names whose pause has ended, a piece of each, and gives `held` as it is then. Workers do so too: whoever
-- ended the pause may have been killed.
local function putBackSome(held, base, bull, most)
  local left = {}
  for _, entry in ipairs(namesOf(held)) do
    local name, count = string.match(entry, '^>([^:]+):(%d+)$')
    if not name or not putBack(base, bull, name, tonumber(count), most) then
      left[#left + 1] = entry
    end
  end
  return setHeld(bull, left)
end

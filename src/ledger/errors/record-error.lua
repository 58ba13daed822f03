--[[
  Part of commit.lua, after keep-attempt.lua: puts a job that has failed for good into the group of its error, and tells
  the replay that ran it again, if one did. `at` is where these words are: id of the group ('' for none, as of a job that was
  cancelled), job, error name, masked message, frame, release, line of the attempt ('' for none).
  Groups are bounded: a new one beyond the most takes the place of one that has not been seen for a day, or counts as other.
  A member counts as long as BullMQ's set of failed jobs has it with the same score, so that nothing needs to tell the
  group of a job that is removed or trimmed.
]]
local MOST_GROUPS, MOST_MEMBERS, MOST_RELEASES = 200, 100000, 20
local KEPT_SECONDS, DAY_MS = 2592000, 86400000

-- The number of this hour or minute, in one of `slots` fields that are used in turn.
local function countInTurn(group, letter, number, slots)
  local field = letter .. string.format('%.0f', number % slots)
  local current = string.format('%.0f', number)
  local held, count = string.match(redis.call('HGET', group, field) or '', '^(%d+):(%d+)$')
  redis.call('HSET', group, field, current .. ':' .. (held == current and count + 1 or 1))
end

local function roomForGroup(index, id, now)
  if id == 'other' or redis.call('ZSCORE', index, id) or redis.call('ZCARD', index) < MOST_GROUPS then
    return id
  end
  local oldest = redis.call('ZRANGE', index, 0, 0, 'WITHSCORES')
  if tonumber(oldest[2]) > now - DAY_MS then
    return 'other'
  end
  redis.call('ZREM', index, oldest[1])
  redis.call('DEL', base .. 'error:' .. oldest[1], base .. 'error:' .. oldest[1] .. ':jobs')
  return id
end

local function countInGroup(id, at, now)
  local index, group = base .. 'errors', base .. 'error:' .. id
  redis.call('ZADD', index, now, id)
  redis.call('ZREMRANGEBYSCORE', index, '-inf', now - KEPT_SECONDS * 1000)
  redis.call('EXPIRE', index, KEPT_SECONDS)
  if redis.call('HINCRBY', group, 'count', '1') == 1 then
    local known = id ~= 'other'
    redis.call('HSET', group, 'job', known and ARGV[at + 1] or '', 'name', known and ARGV[at + 2] or '', 'message',
      known and ARGV[at + 3] or '', 'frame', known and ARGV[at + 4] or '', 'firstAt', now)
  end
  redis.call('HSET', group, 'lastAt', now)
  countInTurn(group, 'h', math.floor(now / 3600000), 168)
  countInTurn(group, 'm', math.floor(now / 60000), 60)
  local release = 'release:' .. ARGV[at + 5]
  if ARGV[at + 5] ~= '' then
    if redis.call('HEXISTS', group, release) == 1 then
      redis.call('HINCRBY', group, release, '1')
    elseif redis.call('HINCRBY', group, 'releases', '1') <= MOST_RELEASES then
      redis.call('HSET', group, release, '1')
    end
  end
  redis.call('EXPIRE', group, KEPT_SECONDS)
end

local function listInGroup(id, jobId, now)
  local members = base .. 'error:' .. id .. ':jobs'
  redis.call('ZADD', members, now, jobId)
  local oldest = redis.call('ZRANGE', bull .. 'failed', 0, 0, 'WITHSCORES')[2]
  if oldest then
    redis.call('ZREMRANGEBYSCORE', members, '-inf', '(' .. oldest)
  end
  redis.call('ZREMRANGEBYRANK', members, 0, -1 - MOST_MEMBERS)
  redis.call('EXPIRE', members, KEPT_SECONDS)
end

-- The mark of a job that a replay has put back is its id and the group that the job was of, `-` once that run has ended.
local function tellReplay(jobKey, mark, id)
  local replay, before = string.match(mark, '^(%S+) (%S*)$')
  if not replay or before == '-' then
    return
  end
  if redis.call('EXISTS', jobKey) == 1 then
    redis.call('HSET', jobKey, 'drover:replay', replay .. ' -')
  end
  local record = base .. 'replay:' .. replay
  if redis.call('EXISTS', record) == 1 then
    redis.call('HINCRBY', record, 'failed', '1')
    if id ~= '' and (before == '' or before == id) then
      redis.call('HINCRBY', record, 'returned', '1')
    end
  end
end

local function recordError(jobKey, jobId, at, finishedAt)
  local now, id = tonumber(finishedAt), ARGV[at]
  local before = redis.call('HMGET', jobKey, 'drover:group', 'drover:replay')
  if id ~= '' then
    id = roomForGroup(base .. 'errors', id, now)
    countInGroup(id, at, now)
  end
  if before[1] and before[1] ~= id then
    redis.call('ZREM', base .. 'error:' .. before[1] .. ':jobs', jobId)
  end
  if before[2] then
    tellReplay(jobKey, before[2], id)
  end
  -- A job that its queue does not keep is counted, and that is all.
  if redis.call('EXISTS', jobKey) == 0 then
    return
  end
  if ARGV[at + 6] ~= '' then
    keepAttempt(jobKey, ARGV[at + 6])
  end
  if id ~= '' then
    redis.call('HSET', jobKey, 'drover:group', id)
    listInGroup(id, jobId, now)
  elseif before[1] then
    redis.call('HDEL', jobKey, 'drover:group')
  end
end

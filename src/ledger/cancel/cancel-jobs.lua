--[[
  Cancels jobs of one queue. One that does not run fails at once: it is made active for the length of this script, so that
  the commit (commit.lua, embedded) ends it as it ends every job, with its record, counts, batch and message to who waits.
  One that runs is marked with BullMQ's field of failures to come: its worker sees it (extend-locks.lua), and BullMQ starts
  no other run of it. It must be atomic: a worker may take the job at any moment.
  A job leaves its place only when its commit was written; one that is refused is as it was. The first write to each is one
  that a full Redis or a replica refuses, so that nothing is done halfway there.

  KEYS[i]  the i-th job, none twice
  ARGV[1]  base of our keys, "{prefix:queue}:"
  ARGV[2]  base of BullMQ's keys, "{prefix:queue}:queue:"
  ARGV[3]  token of the lock, as in the words
  ARGV[4]  about where in the list of waiting jobs these are, from its newest; or '' for a single job
  then     for each job: attempts made, as they were read for the words; the number of its words; its words, as commit.lua
           takes them
  Returns  for each job 'cancelled', 'marked', 'unknown', 'completed', 'failed', 'before' (it has failed as one that was
           cancelled), 'scheduled' (BullMQ's next one of a schedule of its own), 'changed' (it was run meanwhile, so the words
           are out of date), or 'refused <why>'. But for the first two, nothing was done.
]]
local base, bull, token, hint = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local SETS = { 'delayed', 'prioritized', 'waiting-children' }
-- Jobs looked at one by one where the search by halves ends: a few before, at first as many behind, and at most.
local NEAR, MOST = 64, 4096

local function commitAll(KEYS, ARGV)
  --@COMMIT@
end

-- The place of the job from `first` on, looked for in growing steps, as many may be of one millisecond.
local function indexFrom(list, id, first)
  local last = first + MOST
  local step = 2 * NEAR
  while first < last do
    local others = redis.call('LRANGE', list, first, first + step - 1)
    for at, other in ipairs(others) do
      if other == id then
        return first + at - 1
      end
    end
    if #others < step then
      return
    end
    first, step = first + step, 2 * step
  end
end

-- Jobs wait about in the order of their enqueue, the newest first: a search by halves spares the look at each of them.
local function firstNotAfter(list, length, timestamp)
  local low, high = 0, length
  while low < high do
    local middle = math.floor((low + high) / 2)
    local other = tonumber(redis.call('HGET', bull .. redis.call('LINDEX', list, middle), 'timestamp') or '')
    if other and other > timestamp then
      low = middle + 1
    else
      high = middle
    end
  end
  return low
end

local windowAt
local function indexOf(list, id, timestamp)
  if hint then
    if not windowAt then
      windowAt = {}
      for at, other in ipairs(redis.call('LRANGE', list, hint, hint + MOST / 4)) do
        windowAt[other] = hint + at - 1
      end
    end
    if windowAt[id] then
      return windowAt[id]
    end
  end
  local length = redis.call('LLEN', list)
  if length > MOST and timestamp then
    local index = indexFrom(list, id, math.max(0, firstNotAfter(list, length, timestamp) - NEAR))
    if index then
      return index
    end
  end
  return redis.call('LPOS', list, id)
end

local function placeOf(id, timestamp)
  for _, set in ipairs(SETS) do
    if redis.call('ZSCORE', bull .. set, id) then
      return { set = bull .. set }
    end
  end
  for _, name in ipairs({ 'wait', 'paused' }) do
    local index = redis.call('EXISTS', bull .. name) == 1 and indexOf(bull .. name, id, timestamp)
    if index then
      return { list = bull .. name, index = index }
    end
  end
end

-- What is to be done with a job: its place when it is to be taken, else the outcome.
local function judge(jobKey, id, attemptsMade)
  local fields = redis.call('HMGET', jobKey, 'name', 'atm', 'rjk', 'timestamp', 'failedReason')
  if not fields[1] then
    return nil, 'unknown'
  end
  if redis.call('ZSCORE', bull .. 'completed', id) then
    return nil, 'completed'
  end
  if redis.call('ZSCORE', bull .. 'failed', id) then
    return nil, fields[5] == '--@REASON@' and 'before' or 'failed'
  end
  if (fields[2] or '0') ~= attemptsMade then
    return nil, 'changed'
  end
  local nextOfSchedule = fields[3] and redis.call('ZSCORE', bull .. 'repeat', fields[3])
  if nextOfSchedule and id == 'repeat:' .. fields[3] .. ':' .. nextOfSchedule then
    return nil, 'scheduled'
  end
  if redis.call('LPOS', bull .. 'active', id) then
    redis.call('HSET', jobKey, 'defa', '--@REASON@')
    return nil, 'marked'
  end
  local place = placeOf(id, tonumber(fields[4] or ''))
  if place then
    place.name = fields[1]
  end
  return place, not place and 'unknown' or nil
end

-- What stands in a list in the place of a job while this script runs: places shift when the commit enqueues others.
local TAKEN = 'drover:taken'

-- Puts those back that were refused, and removes the others in one look through the list, from the end that is nearer.
local function settle(list, jobs)
  local left, first, last = #jobs, jobs[1].index, jobs[#jobs].index
  for rank = #jobs, 1, -1 do
    if jobs[rank].isRefused then
      redis.call('LSET', list, redis.call('LPOS', list, TAKEN, 'RANK', rank), jobs[rank].id)
      left = left - 1
    end
  end
  if left > 0 then
    redis.call('LREM', list, redis.call('LLEN', list) - first < last and -left or left, TAKEN)
  end
end

local outcomes, taken, jobKeys, allWords, lists = {}, {}, {}, { base, bull, '1' }, {}
local at = 5
-- On a cluster a key that never exists stands behind the last job's: see src/redis/slot-guard.ts.
local jobs = KEYS[#KEYS] == base .. 'absent' and #KEYS - 1 or #KEYS
for i = 1, jobs do
  local jobKey = KEYS[i]
  local id, last = string.sub(jobKey, #bull + 1), at + 1 + tonumber(ARGV[at + 1])
  local place, outcome = judge(jobKey, id, ARGV[at])
  outcomes[i] = outcome
  if place then
    redis.call('SET', jobKey .. ':lock', token, 'PX', '10000')
    redis.call('RPUSH', bull .. 'active', id)
    if place.list then
      redis.call('LSET', place.list, place.index, TAKEN)
      lists[place.list] = lists[place.list] or {}
      table.insert(lists[place.list], place)
    end
    place.id, place.at = id, i
    taken[#taken + 1] = place
    jobKeys[#jobKeys + 1] = jobKey
    for word = at + 1, last do
      allWords[#allWords + 1] = ARGV[word]
    end
  end
  at = last + 1
end
if #taken == 0 then
  return outcomes
end

local ok, replies = pcall(commitAll, jobKeys, allWords)
if not ok then
  replies = { err = type(replies) == 'table' and replies.err or tostring(replies) }
end
for j, place in ipairs(taken) do
  local reply, jobKey = replies[j], jobKeys[j]
  local why = replies.err or (type(reply) == 'table' and reply.err)
    or (type(reply) == 'number' and reply < 0 and 'with code ' .. reply)
  outcomes[place.at] = why and 'refused ' .. why or 'cancelled'
  if why then
    place.isRefused = true
    redis.call('LREM', bull .. 'active', -1, place.id)
    redis.call('DEL', jobKey .. ':lock')
  else
    if place.set then
      redis.call('ZREM', place.set, place.id)
      redis.call('ZREM', base .. 'held:' .. place.name, place.id)
      local limit = redis.call('HGET', jobKey, 'drover:limit')
      if limit then
        redis.call('ZREM', base .. 'limit:line:' .. string.match(limit, '^%S+ (.*)$'), place.id)
      end
    end
    -- It was no attempt.
    if redis.call('EXISTS', jobKey) == 1 then
      redis.call('HINCRBY', jobKey, 'atm', '-1')
    end
  end
end
for list, jobs in pairs(lists) do
  table.sort(jobs, function(one, other) return one.index < other.index end)
  settle(list, jobs)
end
return outcomes

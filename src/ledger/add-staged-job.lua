--[[
  Part of other scripts: puts a staged job into its queue, with BullMQ's own scripts, unchanged. Its words are: kind (as
  in `scripts`), then the script's keys, then its three arguments; for a job with a limit also '<spec> <ID>' and its place
  in line (limits/limit-functions.lua).
  BullMQ's scripts write as they go, so the types of all keys, and what it counts up, are checked before anything of the
  job is written.
]]
--@LIMITS@
local scripts = {
  standard = { keys = 9, run = function(KEYS, ARGV)
    --@ADD_STANDARD@
  end },
  delayed = { keys = 6, run = function(KEYS, ARGV)
    --@ADD_DELAYED@
  end },
  prioritized = { keys = 9, run = function(KEYS, ARGV)
    --@ADD_PRIORITIZED@
  end },
}
local types = {
  wait = 'list', paused = 'list', active = 'list', meta = 'hash', id = 'string', completed = 'zset', delayed = 'zset',
  prioritized = 'zset', pc = 'string', marker = 'zset', events = 'stream',
}

-- The reason why the job could not be put in, or nothing.
local function checkStagedWords(words)
  for i = 2, 1 + scripts[words[1]].keys do
    local name = string.match(words[i], '[^:]+$')
    local now, need = redis.call('TYPE', words[i]).ok, types[name]
    if now ~= 'none' and now ~= need then
      return 'the key ' .. words[i] .. ' holds a ' .. now .. ', BullMQ needs a ' .. need
    end
    -- Fifteen digits leave room to count on; INCR refuses what is not a whole number of 64 bits.
    if now == 'string' and not string.match(redis.call('GET', words[i]), '^%-?%d%d?%d?%d?%d?%d?%d?%d?%d?%d?%d?%d?%d?%d?%d?$') then
      return 'the key ' .. words[i] .. ' is no whole number, BullMQ counts with it'
    end
  end
end

local function addStagedWords(words)
  local kind = scripts[words[1]]
  local reply = kind.run({ unpack(words, 2, 1 + kind.keys) }, { unpack(words, 2 + kind.keys) })
  if type(reply) == 'number' and reply < 0 then
    error('BullMQ answered ' .. reply .. ' to a staged job')
  end
  local limit = words[5 + kind.keys]
  if limit and type(reply) == 'string' then
    local bull = cmsgpack.unpack(words[2 + kind.keys])[1]
    openLines(string.match(bull, '^({[^}]*}:)'), bull).parkAdded(reply, limit, words[6 + kind.keys])
  end
end

local function checkStagedJob(first, last)
  return checkStagedWords({ unpack(ARGV, first, last) })
end

local function addStagedJob(first, last)
  addStagedWords({ unpack(ARGV, first, last) })
end
